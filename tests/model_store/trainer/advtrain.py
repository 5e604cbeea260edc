"""What the tests of the real advtrain share: small made data, its runs."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILD = os.environ.get("ADV_BUILD_DIR", os.path.join(ROOT, "build", "dev"))
ADVTRAIN = os.path.join(BUILD, "model_store", "trainer", "advtrain")
DEADLINE_SECONDS = 240
RECORDS = 10000


def write_cifar10(folder, label_of):
    """Six files of the official layout; class k is bright in row 3 k."""
    rng = random.Random(1)
    noise = [rng.randbytes(3072) for _ in range(50)]
    records = []
    for i in range(RECORDS):
        label = label_of(i)
        pixels = bytearray(noise[i % 50])
        row = 96 * label
        pixels[row:row + 96] = b"\xff" * 96
        records.append(bytes([label]) + pixels)
    content = b"".join(records)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        with open(os.path.join(folder, name + ".bin"), "wb") as file:
            file.write(content)


def wait_until(condition, what):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.005)


class TrainerTest(unittest.TestCase):
    """One folder for all cases of a class, with a data set in it."""

    FLAGS = []  # of each run, unless others of the same names are given

    @staticmethod
    def label(i):
        """Of the i-th image."""
        return i % 10

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="advtrain_test_")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.data = os.path.join(cls.folder, "data")
        os.mkdir(cls.data)
        write_cifar10(cls.data, cls.label)

    @classmethod
    def store(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def command(cls, store, *flags):
        names = {flag.split("=")[0] for flag in flags}
        usual = [f"--data={cls.data}", f"--store={store}", "--threads=1",
                 "--device=cpu", "--checkpoint-seconds=0", *cls.FLAGS]
        return [ADVTRAIN, *flags,
                *[flag for flag in usual if flag.split("=")[0] not in names]]

    @classmethod
    def run_trainer(cls, store, *flags):
        return subprocess.run(cls.command(store, *flags), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=DEADLINE_SECONDS)

    def start(self, store, *flags):
        """A run in the background; read_log has what it says."""
        log = tempfile.NamedTemporaryFile(dir=self.folder, delete=False)
        with log:
            process = subprocess.Popen(self.command(store, *flags), stdout=log,
                                       stderr=subprocess.STDOUT)
        process.log = log.name
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def read_log(self, process):
        with open(process.log) as log:
            return log.read()

    def wait_for_line(self, process, text):
        wait_until(lambda: text in self.read_log(process) or
                   process.poll() is not None, text)
        self.assertIn(text, self.read_log(process))

    def wait_for_checkpoint(self, process, store, model="balanced"):
        wait_until(lambda: os.path.exists(self.checkpoint(store, model)) or
                   process.poll() is not None, "the first checkpoint")

    def end(self, process):
        """Waits for it; returns its exit status and what it said."""
        status = process.wait(timeout=DEADLINE_SECONDS)
        return status, self.read_log(process)

    def checkpoint(self, store, model="balanced"):
        return os.path.join(store, ".training", f"{model}.checkpoint")

    def manifest(self, store, version=1, model="balanced"):
        path = os.path.join(store, model, str(version), "manifest.json")
        with open(path) as file:
            return json.load(file)

    def weights_digest(self, store, model="balanced"):
        path = os.path.join(store, model, "1", "weights.safetensors")
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
