"""The real advtrain started from weights of others: --init-from."""

import glob
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest

import numpy

import advtrain

# VGG16's first three blocks as torchvision names and shapes them.
CONVOLUTIONS = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128),
                10: (256, 128), 12: (256, 256), 14: (256, 256)}
CODES = {"<f4": "F32", "<f2": "F16", "<i8": "I64"}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, values in tensors.items():
        header[name] = {"dtype": CODES[values.dtype.str],
                        "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    kinds = {code: kind for kind, code in CODES.items()}
    return {name: numpy.frombuffer(data[slice(*entry["data_offsets"])],
                                   kinds[entry["dtype"]])
            .reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


def vgg16():
    """Weights from ImageNet, as far as a test has them."""
    rng = numpy.random.default_rng(1)
    tensors = {}
    for index, (out, channels) in CONVOLUTIONS.items():
        scale = (channels * 9 / 2) ** -.5
        tensors[f"features.{index}.weight"] = (
            scale * rng.standard_normal((out, channels, 3, 3))).astype("<f4")
        tensors[f"features.{index}.bias"] = (
            .01 * rng.standard_normal(out)).astype("<f4")
    tensors["features.17.weight"] = numpy.ones((2, 2), "<f2")
    tensors["classifier.0.steps"] = numpy.ones((), "<i8")
    return tensors


class InitFromTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="init_from_test_")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.data = cls.path("data")
        os.mkdir(cls.data)
        advtrain.write_cifar10(cls.data, lambda i: i % 10)
        cls.tensors = vgg16()
        cls.file = cls.path("vgg16 été.safetensors")
        write_safetensors(cls.file, cls.tensors)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    def command(self, store, *flags):
        return [advtrain.ADVTRAIN, "--models=balanced",
                f"--data={self.data}", f"--store={self.path(store)}",
                "--train-images=100", "--threads=1", "--device=cpu",
                "--checkpoint-seconds=0", *flags]

    def run_trainer(self, store, *flags):
        return subprocess.run(self.command(store, *flags), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=advtrain.DEADLINE_SECONDS)

    def versions(self, store):
        """Folders; a model's name says more than its recipe."""
        return glob.glob(os.path.join(self.path(store), "*", "1"))

    def published(self, store):
        [folder] = self.versions(store)
        with open(os.path.join(folder, "manifest.json")) as file:
            manifest = json.load(file)
        return manifest, read_safetensors(
            os.path.join(folder, "weights.safetensors"))

    # With a step of next to nothing the published weights are the first ones.
    def test_starts_from_them_and_records_it(self):
        done = self.run_trainer("started", "--architecture=vgg16_transfer",
                                f"--init-from={self.file}", "--epochs=1",
                                "--batch-size=50", "--learning-rate=1e-20",
                                "--precision=float32")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("loaded features.0.weight, features.0.bias, "
                      "features.2.weight", done.stdout)
        self.assertIn("skipped features.17.weight: no such layer here",
                      done.stdout)
        self.assertIn("skipped classifier.0.steps: ", done.stdout)
        self.assertIn("from the seed: dense1.weight, dense1.bias, "
                      "dense2.weight, dense2.bias", done.stdout)

        manifest, weights = self.published("started")
        self.assertEqual(manifest["architecture"], "vgg16_transfer")
        self.assertEqual(int(manifest["parameter_count"]), 3838282)
        for number, index in enumerate(CONVOLUTIONS, 1):
            numpy.testing.assert_allclose(
                weights[f"conv{number}.weight"],
                self.tensors[f"features.{index}.weight"], rtol=0, atol=1e-15)
        self.assertGreater(weights["dense1.weight"].std(), .01)

        initial = manifest["training"]["initial_weights"]
        self.assertEqual(initial["file"],
                         "vgg16 \\xc3\\xa9t\\xc3\\xa9.safetensors")
        with open(self.file, "rb") as file:
            self.assertEqual(initial["sha256"],
                             hashlib.sha256(file.read()).hexdigest())
        self.assertEqual(initial["loaded_keys"],
                         [f"features.{index}.{part}" for index in CONVOLUTIONS
                          for part in ("weight", "bias")])

    def test_a_published_model_starts_another(self):
        flags = ["--epochs=1", "--batch-size=50", "--learning-rate=1e-20",
                 "--precision=float32"]
        first = self.run_trainer("first", *flags, "--seed=8")
        self.assertEqual(first.returncode, 0, first.stdout)
        manifest, weights = self.published("first")
        self.assertNotIn("initial_weights", manifest["training"])
        second = self.run_trainer(
            "second", *flags, "--architecture=relu_each", "--init-from=" +
            os.path.join(self.versions("first")[0], "weights.safetensors"))
        self.assertEqual(second.returncode, 0, second.stdout)
        self.assertNotIn("skipped", second.stdout)
        manifest, started = self.published("second")
        self.assertEqual(
            manifest["training"]["initial_weights"]["sha256"],
            self.published("first")[0]["files"][0]["sha256"])
        for name, values in weights.items():
            numpy.testing.assert_allclose(started[name], values, rtol=0,
                                          atol=1e-15, err_msg=name)

    def test_a_checkpoint_belongs_to_its_first_weights(self):
        bias = self.path("bias.safetensors")
        write_safetensors(bias, {"conv1.bias": numpy.ones(32, "<f4")})
        flags = ["--epochs=100", "--batch-size=5", f"--init-from={bias}"]
        process = subprocess.Popen(self.command("resumed", *flags),
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        checkpoint = os.path.join(self.path("resumed"), ".training",
                                  "balanced.checkpoint")
        advtrain.wait_until(
            lambda: os.path.exists(checkpoint) or process.poll() is not None,
            "the first checkpoint")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(), 128 + signal.SIGTERM)

        write_safetensors(bias, {"conv1.bias": numpy.zeros(32, "<f4")})
        other = self.run_trainer("resumed", *flags)
        self.assertEqual(other.returncode, 1, other.stdout)
        self.assertIn("the checkpoint belongs to another run: initial_weights "
                      "was", other.stdout)

    def test_refuses_what_does_not_fit_before_it_trains(self):
        def file(name, tensors):
            write_safetensors(self.path(name), tensors)
            return self.path(name)

        nan = numpy.ones(64, "<f4")
        nan[3] = numpy.nan
        with open(self.path("pickle"), "wb") as pickle:
            pickle.write(b"PK\x03\x04" + bytes(100))
        with open(self.path("cut"), "wb") as cut:
            with open(self.file, "rb") as whole:
                cut.write(whole.read()[:-1])
        cases = [
            ("/nowhere.safetensors", "/nowhere.safetensors: cannot open"),
            (self.folder, "not a regular file"),
            (self.path("pickle"), "pickle: safetensors: header"),
            (self.path("cut"), "cut: safetensors: "),
            (file("shape", {"features.0.weight":
                            numpy.ones((64, 1, 3, 3), "<f4")}),
             "features.0.weight is [64, 1, 3, 3], must be [64, 3, 3, 3]"),
            (file("dtype", {"features.0.bias": numpy.ones(64, "<i8")}),
             "features.0.bias: dtype is I64, must be F32, F16 or BF16"),
            (file("nan", {"features.0.bias": nan}),
             "features.0.bias: holds a value that is not finite"),
            (file("other", {"layer1.weight": numpy.ones(1, "<f4")}),
             "none of the file's 1 tensors belongs to the architecture"),
        ]
        for path, needle in cases:
            with self.subTest(path=path):
                done = self.run_trainer("bad", "--architecture=vgg16_transfer",
                                        f"--init-from={path}")
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(needle, done.stdout)
                self.assertEqual(self.versions("bad"), [])


if __name__ == "__main__":
    unittest.main()
