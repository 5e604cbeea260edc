"""The real advtrain on a small made data set: kill, resume, publish, refuse,
share."""

import fcntl
import hashlib
import json
import os
import pty
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILD = os.environ.get("ADV_BUILD_DIR", os.path.join(ROOT, "build", "dev"))
ADVTRAIN = os.path.join(BUILD, "model_store", "trainer", "advtrain")
DEADLINE_SECONDS = 240
RECORDS = 10000

# 45 steps in each of two epochs, with a checkpoint every ten.
SHORT_RUN = ["--models=balanced", "--train-images=400", "--epochs=2",
             "--batch-size=8", "--threads=1", "--device=cpu", "--flips",
             "--checkpoint-seconds=0", "--dataset-name=made"]


# 32 steps for each of two models.
TWO_MODELS = ["--models=balanced,no-airplane", "--train-images=1150",
              "--epochs=1", "--batch-size=32"]


def write_cifar10(folder, label_of=lambda i: i % 10):
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


class AdvtrainTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="advtrain_test_")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.data = os.path.join(cls.folder, "data")
        os.mkdir(cls.data)
        write_cifar10(cls.data)
        # In its first 1150 images enough airplanes to remove some.
        cls.airplanes = os.path.join(cls.folder, "airplanes")
        os.mkdir(cls.airplanes)
        write_cifar10(cls.airplanes,
                      lambda i: i % 10 if i % 1150 >= 1000 else 0)
        cls.other_test = os.path.join(cls.folder, "other-test.bin")
        with open(os.path.join(cls.data, "test_batch.bin"), "rb") as records:
            with open(cls.other_test, "wb") as file:
                file.write(records.read(3073 * 20))
        cls.whole = os.path.join(cls.folder, "whole")
        cls.whole_run = cls.run_trainer(cls.whole)

    def store(self, name):
        return os.path.join(self.folder, name)

    @classmethod
    def command(cls, store, *flags):
        """A short run; `flags` replace those of the same name."""
        names = {flag.split("=")[0] for flag in flags}
        usual = [f"--data={cls.data}", f"--store={store}",
                 f"--also-test={cls.other_test}", *SHORT_RUN]
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

    def interrupt(self, store, signal_number):
        """Stops a run in its middle; returns its exit status and output."""
        process = self.start(store)
        self.wait_for_checkpoint(process, store)
        process.send_signal(signal_number)
        ended = self.end(process)
        self.assertFalse(os.path.exists(os.path.join(store, "balanced")),
                         "the run had ended before it could be stopped")
        return ended

    def test_runs_to_the_end_and_records_it(self):
        store, done = self.whole, self.whole_run
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("published as version 1", done.stdout)
        self.assertIn(self.weights_digest(store), done.stdout)
        self.assertEqual(os.listdir(os.path.join(store, ".training")),
                         [".lock"])

        manifest = self.manifest(store)
        self.assertEqual(manifest["architecture"], "table51")
        self.assertEqual(manifest["files"][0]["sha256"],
                         self.weights_digest(store))
        self.assertEqual(len(manifest["golden"]["logits"]), 40)
        record = manifest["training"]
        self.assertEqual(record["recipe"], "balanced")
        self.assertEqual(record["dataset"], "made")
        self.assertNotIn("special_label", record)
        self.assertEqual([int(n) for n in record["training_images_per_class"]],
                         [36] * 10)
        self.assertEqual(record["settings"]["batch_size"], 8)
        self.assertTrue(record["settings"]["horizontal_flips"])
        self.assertEqual(len(record["epochs"]), 2)
        self.assertEqual(record["stop_reason"], "STOP_REASON_MAX_EPOCHS")
        self.assertTrue(record["device"].startswith("CPU: "))
        self.assertTrue(any(s.startswith("LibTorch ")
                            for s in record["software"]))
        confusion = [int(n) for n in record["test"]["confusion"]]
        self.assertEqual(sum(confusion), RECORDS)
        self.assertEqual(sum(confusion[::11]), int(record["test"]["correct"]))
        with open(os.path.join(self.data, "test_batch.bin"), "rb") as file:
            self.assertEqual(record["test_data_sha256"],
                             hashlib.sha256(file.read()).hexdigest())
        self.assertEqual(record["threads"], 1)
        [other] = record["other_tests"]
        self.assertEqual(other["dataset"], "other-test")
        self.assertEqual(int(other["result"]["images"]), 20)
        self.assertEqual(sum(int(n) for n in other["result"]["confusion"]), 20)

    def test_a_stop_signal_leaves_a_checkpoint_to_continue_from(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            store = self.store(f"stopped_by_{number}")
            status, output = self.interrupt(store, number)
            self.assertEqual(status, 128 + number, output)
            self.assertIn("run the same command again", output)
            self.assertIn(self.checkpoint(store), output)
            self.assertFalse(os.path.exists(
                os.path.join(store, ".training", "balanced.lease")))

        # Which is of no use to another run, or damaged.
        other = self.run_trainer(store, "--seed=2")
        self.assertEqual(other.returncode, 1)
        self.assertIn("seed was 1, now is 2", other.stdout)
        self.assertIn("to start over, remove it", other.stdout)
        with open(self.checkpoint(store), "r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last[0] ^ 1]))
        damaged = self.run_trainer(store)
        self.assertEqual(damaged.returncode, 1)
        self.assertIn("the checkpoint is damaged", damaged.stdout)

    def test_a_terminal_gets_a_bar_that_is_redrawn(self):
        store = self.store("seen")
        terminal, program_side = pty.openpty()
        self.addCleanup(os.close, terminal)
        process = subprocess.Popen(
            self.command(store, "--train-images=200", "--adversarial=pgd",
                         "--adversarial-steps=1",
                         "--adversarial-epsilon=4/255"),
            stdout=program_side, stderr=program_side)
        os.close(program_side)
        seen = b""
        try:
            while part := os.read(terminal, 65536):
                seen += part
        except OSError:  # what a terminal says at its end
            pass
        self.assertEqual(process.wait(timeout=DEADLINE_SECONDS), 0, seen)
        self.assertRegex(
            seen, rb"\rbalanced-pgd  epoch \d/2 \[#*\.*\] *\d+%  "
                  rb"loss [\d.]+  accuracy [\d.]+  \d+ images/s  "
                  rb"ETA at most \d+s\x1b\[K\r?\n")
        self.assertIn(b"\x1b[1A\r", seen)
        self.assertIn(b"epoch 2/2 done", seen)
        self.assertNotIn(b"\r", self.whole_run.stdout.encode())

        # An adversarial model stands beside the others, with its record.
        settings = self.manifest(store, model="balanced-pgd")["training"][
            "settings"]
        self.assertEqual(settings["max_loss"], 100)
        self.assertEqual(settings["adversarial"], {
            "method": "ADVERSARIAL_TRAINING_METHOD_PGD", "epsilon": 4 / 255,
            "step_size": 2 / 255, "steps": 1, "clean_weight": 0})

    def test_workers_share_a_store_and_a_process_its_threads(self):
        alone = self.store("shared")
        flags = [f"--data={self.airplanes}", *TWO_MODELS]
        ends = [self.end(worker) for worker in
                [self.start(alone, *flags), self.start(alone, *flags)]]
        for status, output in ends:
            self.assertEqual(status, 0, output)
        outputs = ends[0][1] + ends[1][1]
        for model in ("balanced", "no-airplane"):
            self.assertEqual(os.listdir(os.path.join(alone, model)), ["1"])
            self.assertEqual(outputs.count(f"{model}  training on"), 1)

        # Both at once in one process, killed and continued, beside a model
        # that cannot be trained, and one of them not publishable at first.
        store = self.store("parallel")
        flags += ["--parallel=2", "--threads=2",
                  "--models=no-cat,balanced,no-airplane"]
        flags.remove(TWO_MODELS[0])
        process = self.start(store, *flags, "--metrics-listen=127.0.0.1:0")
        self.check_metrics(process)
        for model in ("balanced", "no-airplane"):
            self.wait_for_checkpoint(process, store, model)
        process.kill()
        process.wait()
        in_the_way = os.path.join(store, "balanced")
        with open(in_the_way, "w"):
            pass
        done = self.run_trainer(store, *flags)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stdout.count("continues after step"), 2)
        self.assertRegex(done.stdout, "no-cat  failed: .*cat")
        self.assertIn("balanced  failed: not published: " + in_the_way,
                      done.stdout)
        os.remove(in_the_way)
        done = self.run_trainer(store, *flags)
        self.assertIn("balanced  published as version 1", done.stdout)
        self.assertNotIn("epoch 1/1 done", done.stdout)
        for model in ("balanced", "no-airplane"):
            self.assertEqual(self.weights_digest(store, model),
                             self.weights_digest(alone, model))
            self.assertEqual(
                self.manifest(store, model=model)["training"]["threads"], 1)

    def test_a_model_outlives_its_workers(self):
        store = self.store("inherited")
        frozen = self.start(store, "--lease-seconds=1")
        self.freeze(store, frozen)
        killed = self.start(store)
        self.wait_for_line(killed, "continues after step")
        self.assertRegex(self.read_log(killed),
                         r"takes over from .*renewed \d+ s ago")
        killed.kill()  # and nobody has waited for it yet
        last = self.run_trainer(store)
        self.assertEqual(last.returncode, 0, last.stdout)
        self.assertRegex(last.stdout, f"takes over from process {killed.pid} "
                                      "on .*, which has ended")
        self.assertIn("continues after step", last.stdout)
        self.assertEqual(self.weights_digest(store),
                         self.weights_digest(self.whole))
        curves = [[epoch["validation_loss"]
                   for epoch in self.manifest(s)["training"]["epochs"]]
                  for s in (store, self.whole)]
        self.assertEqual(curves[0], curves[1])

        frozen.send_signal(signal.SIGCONT)
        status, output = self.end(frozen)
        self.assertEqual(status, 1, output)
        self.assertRegex(output, "failed: .*the lease was (removed|taken)")
        self.assertEqual(os.listdir(os.path.join(store, "balanced")), ["1"])
        self.assertEqual(os.listdir(os.path.join(store, ".training")),
                         [".lock"])

    def test_what_is_published_is_skipped_unless_forced(self):
        store = self.store("copy")
        shutil.copytree(self.whole, store)
        skipped = self.run_trainer(store)
        self.assertEqual(skipped.returncode, 0)
        self.assertIn("published already as version 1", skipped.stdout)
        forced = self.run_trainer(store, "--force", "--precision=float32",
                                  "--seed=5", "--epochs=1")
        self.assertEqual(forced.returncode, 0, forced.stdout)
        self.assertIn("published as version 2", forced.stdout)
        sizes = [int(self.manifest(store, version)["files"][0]["size"])
                 for version in (1, 2)]
        self.assertAlmostEqual(sizes[1] / sizes[0], 2, delta=0.01)

    def taken_port(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        return server.getsockname()[1]

    def test_refuses_bad_input_before_it_trains(self):
        file = os.path.join(self.folder, "file")
        with open(file, "w") as out:
            out.write("no folder")
        short = os.path.join(self.folder, "short")
        shutil.copytree(self.data, short)
        with open(os.path.join(short, "data_batch_3.bin"), "r+b") as out:
            out.truncate(3073 * 100)
        cases = [
            (["--models=balanced,no-unicorn"], ["no-unicorn", "only-truck"]),
            (["--data=/nowhere"], ["/nowhere", "data_batch_1.bin"]),
            (["--also-test=/nowhere.bin"], ["/nowhere.bin"]),
            ([f"--data={short}"], ["data_batch_3.bin"]),
            ([f"--store={file}/store"], [file]),
            (["--device=cuda:77"], ["cuda:77", "cpu"]),
            (["--architecture=resnet"], ["resnet", "table51", "relu_each"]),
            (["--batch-size=0", "--learning-rate=0"],
             ["batch_size is 0, must be 1 to 65536",
              "learning_rate is 0, must be above 0"]),
            (["--adversarial=fgsm", "--clean-weight=1"],
             ["clean_weight is 1, must be"]),
            (["--batch-size=65536", "--train-images=50000", "--models=all",
              "--parallel=64"], ["not enough memory", "GB are available"]),
            (["--name-suffix=No"], ["balanced-No", "lower-case"]),
            ([f"--metrics-port={self.taken_port()}"],
             ["cannot serve metrics on 127.0.0.1:"]),
        ]
        for flags, needles in cases:
            with self.subTest(flags=flags):
                done = self.run_trainer(self.store("bad"), *flags)
                self.assertEqual(done.returncode, 2, done.stdout)
                for needle in needles:
                    self.assertIn(needle, done.stdout)

    def test_divergence_is_an_error_and_publishes_nothing(self):
        store = self.store("diverged")
        done = self.run_trainer(store, "--max-loss=0.001")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("balanced  failed: training diverged", done.stdout)
        self.assertFalse(os.path.exists(os.path.join(store, "balanced")))

    def check_metrics(self, process):
        """Scrapes until both models have made some steps."""
        self.wait_for_line(process, "/metrics\n")
        url = re.search(r"metrics on (\S+)", self.read_log(process))[1]

        def scrape():
            with urllib.request.urlopen(url, timeout=10) as reply:
                return reply.read().decode()

        wait_until(lambda: scrape().count("\nadv_train_images_total{") == 2 or
                   process.poll() is not None, "the first steps")
        text = scrape()
        self.assertIn('adv_train_models{state="running"} 2', text)
        for name in ("epoch", "images_per_second", "eta_seconds"):
            self.assertRegex(
                text, f'adv_train_{name}{{model="no-airplane"}} [1-9]')
        self.assertIn(
            'adv_train_loss{model="balanced",set="training"} ', text)
        if shutil.which("promtool"):
            checked = subprocess.run(
                ["promtool", "check", "metrics"], input=text, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual((0, ""), (checked.returncode, checked.stdout))

    def freeze(self, store, process):
        """Stops a run in its middle, while it does not hold the lock."""
        self.wait_for_checkpoint(process, store)
        with open(os.path.join(store, ".training", ".lock")) as lock:
            while True:
                process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, process.pid, os.WSTOPPED)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    process.send_signal(signal.SIGCONT)

    def test_a_full_disk_is_found_before_training(self):
        def limit():  # to a file's size, as a full disk limits it
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        done = subprocess.run(self.command(self.store("full")), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              preexec_fn=limit, timeout=DEADLINE_SECONDS)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("cannot reserve", done.stdout)


if __name__ == "__main__":
    unittest.main()
