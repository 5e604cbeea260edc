"""Evaluations that are followed again, resumed, compared and computed again,
by the command line, on real servers."""

import csv
import io
import json
import os
import pty
import select
import signal
import subprocess
import time
import unittest

import wire
from harness import (ADVCTL, Server, advctl, environment, main, needs_zoo,
                     shared_server, stubs, temporary_folder)

OK, FAILED, USAGE, UNREACHABLE, REFUSED = range(5)
DEADLINE = 120
# Some seconds of work, in many tiles.
LONG = ("evaluate", "--samples=640", "--tile-size=8", "--epsilon=1/255",
        "--attack=pgd:steps=5:restarts=2", "--no-compare")
# A fraction of a second.
SHORT = ("evaluate", "--samples=100", "--attack=fgsm,igsm",
         "--epsilon=1/255,2/255", "--no-compare")


def run(server, *command):
    return advctl(*command, server=server.address)


class EvaluationsTest(unittest.TestCase):

    def run_ok(self, server, *command):
        done = run(server, *command)
        self.assertEqual(OK, done.returncode, done.stderr + done.stdout)
        return done.stdout

    def evaluate(self, server, *command):
        """The evaluation that a command line makes, as parsed JSON."""
        return json.loads(self.run_ok(server, *command, "--output=json")
                          )["evaluations"][0]

    def get(self, server, evaluation_id):
        pb = stubs.attack_evaluation_service_pb2
        service = wire.service(wire.connect(self, server.address))
        return service.GetEvaluation(
            pb.GetEvaluationRequest(id=evaluation_id),
            timeout=DEADLINE).evaluation

    def start_and_leave(self, server, seed):
        """The id of a LONG evaluation that runs, after its first tile."""
        process = subprocess.Popen(
            [ADVCTL, f"--server={server.address}", "-v", *LONG,
             "--model=no-cat", f"--seed={seed}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env=environment())
        try:
            line = next(line for line in process.stderr
                        if "evaluation " in line)
            evaluation_id = line.split()[-1]
            end = time.monotonic() + DEADLINE
            while not self.get(server, evaluation_id).samples_done:
                self.assertLess(time.monotonic(), end)
                time.sleep(.02)
            process.send_signal(signal.SIGINT)
            self.assertTrue(any("Detached" in line for line in process.stderr))
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
        return evaluation_id


@needs_zoo
class FollowTest(EvaluationsTest):

    def test_a_second_terminal_attaches_to_a_run_and_shows_its_report(self):
        server = shared_server()
        evaluation_id = self.start_and_leave(server, seed=1)
        terminal, own_end = pty.openpty()
        with subprocess.Popen(
                [ADVCTL, f"--server={server.address}", "evaluations", "attach",
                 evaluation_id[:12], "--output=json"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=own_end, text=True, env=environment()) as process:
            os.close(own_end)
            bar = read_terminal(terminal)
            report = json.loads(process.stdout.read())["evaluations"][0]
        os.close(terminal)
        self.assertEqual(OK, process.returncode)
        self.assertIn("PGD 1/255", bar)
        self.assertIn("/640 images", bar)
        self.assertEqual(evaluation_id, report["id"])
        # The same as for one who never left.
        again = self.evaluate(server, *LONG, "--model=no-cat", "--seed=1")
        self.assertEqual(again["report"], report["report"])

    def test_resume_after_a_cancel_gives_the_report_of_an_uninterrupted_run(
            self):
        server = shared_server()
        evaluation_id = self.start_and_leave(server, seed=2)
        self.run_ok(server, "evaluations", "cancel", evaluation_id)
        attached = run(server, "evaluations", "attach", evaluation_id)
        self.assertEqual(FAILED, attached.returncode, attached.stderr)
        self.assertIn("was cancelled after", attached.stderr)
        self.assertIn("evaluations resume", attached.stderr)
        done = self.get(server, evaluation_id).samples_done
        self.assertLess(0, done)
        self.assertLess(done, 640)

        resumed = json.loads(self.run_ok(
            server, "evaluations", "resume", evaluation_id, "--output=json"))
        other = Server(self, "--workers=1")
        whole = self.evaluate(other, *LONG, "--model=no-cat", "--seed=2")
        self.assertEqual(evaluation_id, whole["id"])
        self.assertEqual(
            whole["report"]["records_sha256"],
            resumed["evaluations"][0]["report"]["records_sha256"])

    def test_resume_at_once_after_a_cancel_waits_for_its_end(self):
        server = shared_server()
        evaluation_id = self.start_and_leave(server, seed=3)
        self.run_ok(server, "evaluations", "cancel", evaluation_id)
        text = self.run_ok(server, "evaluations", "resume", evaluation_id,
                           "--detach")
        self.assertRegex(text, "is (queued|running)")
        self.run_ok(server, "evaluations", "cancel", evaluation_id)

    def test_every_resolved_specification_leads_back_to_its_evaluation(self):
        server = shared_server()
        for number, flags in enumerate((
                ["--attack=auto-attack:members=apgd-ce+apgd-t",
                 "--epsilon=2/255"],
                ["--attack=carlini-wagner:steps=5", "--epsilon=0.25"],
                ["--attack=igsm,mi-fgsm", "--epsilon=0.1:0.3:0.1"],
                ["--attack=pgd:steps=3", "--goal=targeted:dog", "--eight-bit",
                 "--epsilon=2/255"],
                ["--attack=fgsm", "--epsilon=0.01", "--source-model=balanced"],
                ["--attack=square:queries=5", "--epsilon=4/255",
                 "--success=any", f"--seed={2**64 - 1}"])):
            with self.subTest(flags):
                made = self.evaluate(
                    server, "evaluate", "--model=no-cat", "--no-compare",
                    f"--samples={20 + number}", *flags)
                pb = stubs.attack_evaluation_service_pb2
                service = wire.service(wire.connect(self, server.address))
                spec = self.get(server, made["id"]).resolved.spec
                first, *_ = service.EvaluateRobustness(
                    pb.EvaluateRobustnessRequest(
                        spec=spec, expected_id=made["id"]), timeout=DEADLINE)
                self.assertEqual(made["id"], first.evaluation.id)


def read_terminal(terminal):
    """What is written to it until its other end is closed."""
    text = b""
    while select.select([terminal], [], [], DEADLINE)[0]:
        try:
            text += os.read(terminal, 4096)
        except OSError:  # Linux's end of file
            break
    return text.decode(errors="replace")


@needs_zoo
class DiffTest(EvaluationsTest):

    def test_two_models_differ_where_their_records_do(self):
        server = shared_server()
        a = self.evaluate(server, *SHORT, "--model=balanced")
        b = self.evaluate(server, *SHORT, "--model=no-cat")
        done = run(server, "evaluations", "diff", a["id"], b["id"],
                   "--output=json")
        self.assertEqual(FAILED, done.returncode, done.stderr)
        diff = json.loads(done.stdout)
        self.assertFalse(diff["identical"])
        self.assertEqual(["model", "model digest"],
                         [one["what"] for one in diff["settings"]])
        self.assertEqual(100, diff["images"])
        # The report's counts are sums of these.
        pairs = diff["attacks"][1:]
        self.assertEqual(4, len(pairs))
        for side, evaluation in (("a", a), ("b", b)):
            for pair, result in zip(pairs, evaluation["report"]["results"]):
                self.assertEqual(
                    int(result["overall"]["robust_accuracy"]["count"]),
                    pair["right_in_both"] + pair[f"right_only_in_{side}"])

        text = run(server, "evaluations", "diff", a["id"], b["id"]).stdout
        self.assertIn("A  balanced@", text)
        self.assertIn("Other predictions, at most 10 images", text)
        rows = list(csv.DictReader(io.StringIO(
            run(server, "evaluations", "diff", a["id"], b["id"],
                "--output=csv", "--limit=5").stdout)))
        self.assertEqual(5, len({row["index"] for row in rows}))
        self.assertNotEqual(rows[0]["confidence_a"], rows[0]["confidence_b"])

    def test_the_same_on_two_servers_is_identical(self):
        here, there = shared_server(), Server(self, "--workers=1")
        ids = {self.evaluate(server, *SHORT, "--model=no-cat")["id"]
               for server in (here, there)}
        self.assertEqual(1, len(ids))
        text = self.run_ok(here, "evaluations", "diff", *ids, *ids,
                           f"--other-server={there.address}")
        self.assertIn("Identical: the 100 records", text)


@needs_zoo
class ReproduceTest(EvaluationsTest):

    def test_a_server_with_other_threads_finds_the_same_records(self):
        here = shared_server()
        there = Server(self, "--workers=1", "--intra-op-threads=2")
        made = self.evaluate(here, *SHORT, "--model=no-cat")
        command = ("evaluations", "reproduce", made["id"],
                   f"--on={there.address}")
        self.assertIn("Identical", self.run_ok(here, *command))
        self.assertEqual(made["report"]["records_sha256"],
                         self.get(there, made["id"]).report.records_sha256)
        # The second time it would only be read from the store.
        again = run(here, *command)
        self.assertEqual(FAILED, again.returncode)
        self.assertIn("has finished this evaluation already", again.stderr)

    def test_a_private_server_computes_it(self):
        server = shared_server()
        made = self.evaluate(server, *SHORT, "--model=balanced")
        text = self.run_ok(server, "evaluations", "reproduce", made["id"])
        self.assertIn("Identical", text)
        self.assertIn("private server", text)

    def test_other_data_are_told_before_anything_is_computed(self):
        def grey(value):
            """A file of grey images, in CIFAR's layout."""
            path = os.path.join(temporary_folder(self), "data.bin")
            with open(path, "wb") as file:
                for label in range(10):
                    file.write(bytes([label]) + bytes([value]) * 3072)
            return path

        here, there = (Server(self, f"--dataset=grey={grey(value)}")
                       for value in (100, 101))
        made = self.evaluate(
            here, "evaluate", "--model=no-cat", "--attack=fgsm",
            "--dataset=grey", "--no-compare")
        done = run(here, "evaluations", "reproduce", made["id"],
                   f"--on={there.address}")
        self.assertEqual(FAILED, done.returncode, done.stdout)
        self.assertIn("data set grey has another digest", done.stderr)
        self.assertIn(made["resolved"]["dataset_sha256"], done.stderr)
        self.assertIn("nothing was computed", done.stderr)


if __name__ == "__main__":
    main()
