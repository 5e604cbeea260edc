"""Real advtrain workers that share a store, and models that share a process."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import unittest
import urllib.request

from advtrain import TrainerTest, wait_until

MODELS = ("balanced", "no-airplane")


class SharingTest(TrainerTest):

    # 32 steps for each model, with a checkpoint every ten.
    FLAGS = ["--models=" + ",".join(MODELS), "--train-images=1150",
             "--epochs=1", "--batch-size=32"]

    @staticmethod
    def label(i):  # enough airplanes to remove some
        return i % 10 if i % 1150 >= 1000 else 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.alone = cls.store("alone")
        commands = [cls.command(cls.alone)] * 2
        workers = [subprocess.Popen(command, text=True, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
                   for command in commands]
        for worker in workers:
            cls.addClassCleanup(worker.kill)
        cls.outputs = [worker.communicate()[0] for worker in workers]
        cls.statuses = [worker.returncode for worker in workers]

    def test_two_workers_do_not_train_a_model_twice(self):
        self.assertEqual(self.statuses, [0, 0], self.outputs)
        for model in MODELS:
            self.assertEqual(os.listdir(os.path.join(self.alone, model)),
                             ["1"])
            self.assertEqual(
                "".join(self.outputs).count(f"{model}  training on"), 1)

    def test_models_of_one_process_are_as_if_alone(self):
        # Killed and continued, beside a model that cannot be trained, and one
        # of them not publishable at first.
        store = self.store("parallel")
        flags = ["--parallel=2", "--threads=2",
                 "--models=no-cat,balanced,no-airplane"]
        process = self.start(store, *flags, "--metrics-listen=127.0.0.1:0")
        self.check_metrics(process)
        for model in MODELS:
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
        for model in MODELS:
            self.assertEqual(self.weights_digest(store, model),
                             self.weights_digest(self.alone, model))
            self.assertEqual(
                self.manifest(store, model=model)["training"]["threads"], 1)

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

    def test_a_model_outlives_its_workers(self):
        store = self.store("inherited")
        frozen = self.start(store, "--models=balanced",
                            "--lease-seconds=1")
        self.freeze(store, frozen)
        killed = self.start(store, "--models=balanced")
        self.wait_for_line(killed, "continues after step")
        self.assertRegex(self.read_log(killed),
                         r"takes over from .*renewed \d+ s ago")
        killed.kill()  # and nobody has waited for it yet
        last = self.run_trainer(store, "--models=balanced")
        self.assertEqual(last.returncode, 0, last.stdout)
        self.assertRegex(last.stdout, f"takes over from process {killed.pid} "
                                      "on .*, which has ended")
        self.assertIn("continues after step", last.stdout)
        self.assertEqual(self.weights_digest(store),
                         self.weights_digest(self.alone))
        curves = [[epoch["validation_loss"]
                   for epoch in self.manifest(s)["training"]["epochs"]]
                  for s in (store, self.alone)]
        self.assertEqual(curves[0], curves[1])

        frozen.send_signal(signal.SIGCONT)
        status, output = self.end(frozen)
        self.assertEqual(status, 1, output)
        self.assertRegex(output, "failed: .*the lease was (removed|taken)")
        self.assertEqual(os.listdir(os.path.join(store, "balanced")), ["1"])
        self.assertEqual(os.listdir(os.path.join(store, ".training")),
                         [".lock"])


if __name__ == "__main__":
    unittest.main()
