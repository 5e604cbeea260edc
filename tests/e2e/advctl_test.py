"""The command line against the real server, as a person uses it."""

import csv
import io
import json
import os
import unittest

import numpy
from PIL import Image

from harness import (CLASSES, advctl, free_port, main, needs_zoo,
                     read_sample, shared_server, temporary_folder)

OK, FAILED, USAGE, UNREACHABLE, REFUSED = range(5)


class AdvctlTest(unittest.TestCase):

    def run_ok(self, *arguments, **options):
        done = advctl(*arguments, **options)
        self.assertEqual(OK, done.returncode, done.stderr + done.stdout)
        return done.stdout

    def json_of(self, *arguments):
        return json.loads(self.run_ok(*arguments, "--output=json",
                                      server=shared_server().address))


@needs_zoo
class ServedTest(AdvctlTest):

    def test_models_list_names_the_zoo(self):
        text = self.run_ok("models", "list", server=shared_server().address)
        self.assertIn("balanced", text)
        self.assertIn("no-cat", text)

    def test_server_info_names_the_sample(self):
        text = self.run_ok("server", "info", server=shared_server().address)
        self.assertIn("cifar10-sample", text)

    def test_an_evaluation_as_json(self):
        text = json.dumps(self.json_of(
            "evaluate", "--model=no-cat", "--samples=100", "--attack=fgsm",
            "--epsilon=4/255"))
        self.assertIn("records_sha256", text)
        self.assertIn("clean_right_adversarial_wrong", text)

    def test_fast_passes_leave_float32_the_verdict(self):
        command = ("evaluate", "--model=no-cat", "--samples=60",
                   "--attack=pgd:steps=10", "--epsilon=2/255", "--no-compare")
        done = advctl(*command, "--precision=fast",
                      server=shared_server().address)
        if done.returncode == REFUSED:
            self.assertIn("--precision: is fast; must be float32", done.stderr)
            self.skipTest("no fast passes on this processor")
        self.assertIn("fast passes confirmed in float32", done.stdout)
        robust = [
            self.json_of(*command, f"--precision={precision}")
            ["evaluations"][0]["report"]["results"][0]["overall"]
            ["robust_accuracy"]["count"]
            for precision in ("fast", "float32")]
        # Protobuf's JSON has 64-bit numbers as text.
        fast, float32 = (int(count) for count in robust)
        self.assertLessEqual(fast, float32)
        self.assertGreaterEqual(fast, float32 - 1)

    def test_noise_stands_beside_an_attack_at_its_epsilon(self):
        text = self.run_ok(
            "evaluate", "--model=no-cat", "--samples=20", "--attack=bim,noise",
            server=shared_server().address)
        self.assertIn("IGSM at epsilon 2/255", text)
        self.assertIn("Noise at epsilon 2/255", text)
        self.assertIn("not checked: a larger epsilon (needs several epsilons)",
                      text)
        self.assertNotIn("noise of the same size (needs", text)

    def test_csv_counts_queries(self):
        text = self.run_ok(
            "evaluate", "--model=no-cat", "--samples=20", "--attack=apgd-t",
            "--output=csv", server=shared_server().address)
        row = next(csv.DictReader(io.StringIO(text)))
        self.assertEqual(int(row["gradients"]) + int(row["forwards"]),
                         int(row["queries"]))
        self.assertGreater(int(row["queries"]), 0)
        self.assertEqual("0", row["constraint_violations"])

    def test_refusals_speak_of_flags(self):
        done = advctl("evaluate", "--model=no-cat", "--source-model=balanced",
                      "--success=any", server=shared_server().address)
        self.assertEqual(REFUSED, done.returncode, done.stderr)
        self.assertIn("--success: is any; must be last", done.stderr)

    def test_an_unknown_model_is_refused_with_the_known_ones(self):
        done = advctl("evaluate", "--model=no-such",
                      server=shared_server().address)
        self.assertEqual(REFUSED, done.returncode, done.stderr)
        self.assertIn("no-such", done.stderr)
        self.assertIn("balanced", done.stderr)

    def test_a_wrong_epsilon_is_a_usage_error(self):
        done = advctl("evaluate", "--model=no-cat", "--epsilon=300/255",
                      server=shared_server().address)
        self.assertIn(done.returncode, (USAGE, REFUSED), done.stderr)
        self.assertIn("epsilon", done.stderr)


@needs_zoo
class PictureTest(AdvctlTest):

    def setUp(self):
        self.folder = temporary_folder(self)
        labels, images = read_sample()
        ship = numpy.flatnonzero(labels == CLASSES.index("ship"))[1]
        self.clean = os.path.join(self.folder, "ship.png")
        Image.fromarray(images[ship].transpose(1, 2, 0)).save(self.clean)

    def best(self, path, model):
        """The name of the class that advctl says an image file shows."""
        reply = self.json_of("classify", path, f"--model={model}")
        return find(reply, "class_name")

    def test_a_saved_attack_still_fools(self):
        before = self.best(self.clean, "balanced")
        out = os.path.join(self.folder, "adv.png")
        text = self.run_ok("attack", self.clean, "--model=balanced",
                           "--attack=igsm", "--epsilon=8/255", f"--out={out}",
                           server=shared_server().address)
        with Image.open(out) as image:
            adversarial = numpy.asarray(image.convert("RGB")).astype(int)
        with Image.open(self.clean) as image:
            clean = numpy.asarray(image).astype(int)
        self.assertEqual((32, 32, 3), adversarial.shape)
        self.assertLessEqual(numpy.abs(adversarial - clean).max(), 8)
        after = self.best(out, "balanced")
        self.assertNotEqual(before, after)
        self.assertIn(after, text)


@needs_zoo
class LocalTest(AdvctlTest):

    def test_it_needs_no_server(self):
        text = self.run_ok("--local", "models", "list")
        self.assertIn("no-cat", text)


class UnreachableTest(AdvctlTest):

    def test_it_says_how_to_start_a_server(self):
        done = advctl("models", "list", server=f"127.0.0.1:{free_port()}")
        self.assertEqual(UNREACHABLE, done.returncode, done.stderr)
        self.assertIn("advserver", done.stderr)
        self.assertIn("--local", done.stderr)


class UsageTest(AdvctlTest):

    def test_unknown_commands_are_usage_errors(self):
        self.assertEqual(USAGE, advctl("no-such-command").returncode)

    def test_version(self):
        self.assertRegex(self.run_ok("version"), r"\d+\.\d+\.\d+")


def find(value, key):
    """The first value of a key anywhere in parsed JSON; None without it."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            found = find(each, key)
            if found is not None:
                return found
    return None


if __name__ == "__main__":
    main()
