"""The real advtrain on a small made data set: stop, resume, publish, refuse."""

import hashlib
import os
import pty
import resource
import shutil
import signal
import socket
import subprocess
import unittest

from advtrain import DEADLINE_SECONDS, RECORDS, TrainerTest


class AdvtrainTest(TrainerTest):

    # 45 steps in each of two epochs, with a checkpoint every ten.
    FLAGS = ["--models=balanced", "--train-images=400", "--epochs=2",
             "--batch-size=8", "--flips", "--dataset-name=made"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_test = cls.store("other-test.bin")
        with open(os.path.join(cls.data, "test_batch.bin"), "rb") as records:
            with open(cls.other_test, "wb") as file:
                file.write(records.read(3073 * 20))
        cls.whole = cls.store("whole")
        cls.whole_run = cls.run_trainer(cls.whole,
                                        f"--also-test={cls.other_test}")

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
        self.assertFalse(record["settings"]["shuffle_on_device"])
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
             ["cannot listen on 127.0.0.1:"]),
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
