"""Callers that give up at any stage: what is computed for them after that, and
what is left of them.

One worker with one job at a time computes, so that a stage can be held: what
waits behind a job waits until that one is cancelled. The server's metrics tell
which stage a call has reached.
"""

import os
import random
import re
import statistics
import time
import unittest
import urllib.request

import grpc

import wire
from harness import (BUILD, Server, free_port, main, needs_zoo, read_sample,
                     store_with, stubs)

DEADLINE = 120
KILOBYTE = 1000
BLOCKS, BATCHES, BATCH = 5, 10, 40  # cancels: the product, 2,000
BOUND = 5 * KILOBYTE  # of each cancel
FEW = 8               # descriptors or threads that come and go
LEAK = os.path.join(BUILD, "tests", "e2e", "libleak_calls.so")
CANCELLED = grpc.StatusCode.CANCELLED
SEED = int(os.environ.get("ADV_CANCEL_SEED", random.SystemRandom().randrange(
    2**32)))


class MeasuredServer(Server):
    """A server with one worker, and what its metrics say."""

    def __init__(self, test, *flags, **options):
        self._metrics = f"127.0.0.1:{free_port()}"
        super().__init__(test, "--workers=1", "--jobs-per-worker=1", *flags,
                         metrics=self._metrics,
                         store=store_with(test, "balanced"), **options)

    def metrics(self):
        """{name with labels: value}, also the sum without labels."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics",
                                    timeout=DEADLINE) as reply:
            text = reply.read().decode()
        values = {}
        for name, labels, value in re.findall(
                r"^(\w+)(\{.*\})? (\S+)$", text, re.M):
            values[name] = values.get(name, 0) + float(value)
            if labels:
                values[name + labels] = float(value)
        return values

    def until(self, condition):
        """The metrics as soon as they fulfil a condition."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            metrics = self.metrics()
            if condition(metrics):
                return metrics
            time.sleep(.005)
        raise AssertionError(f"not in time: {metrics}")

    def until_idle(self):
        return self.until(lambda m: not (
            m["adv_rpc_in_flight"] or m["adv_queue_jobs"] or
            m["adv_executor_running_jobs"] or m["adv_evaluations_running"]))


class CancelTest(unittest.TestCase):

    def setUp(self):
        self.serve()

    def serve(self, **options):
        self.server = MeasuredServer(self, **options)
        self.service = wire.service(wire.connect(self, self.server.address))
        self.pb = stubs.attack_evaluation_service_pb2
        self.images = read_sample()[1]

    deadline = DEADLINE  # of calls

    def classify(self, count=1):
        return self.service.Classify.future(self.pb.ClassifyRequest(
            model="balanced", images=wire.batch(self.images[:count])),
            timeout=self.deadline)

    def generate(self, count=1, steps=200):
        return self.service.GenerateAdversarial.future(
            self.pb.GenerateAdversarialRequest(
                model="balanced", attack=wire.attack("igsm", steps=steps),
                epsilon=wire.levels(4),
                images=wire.batch(self.images[:count])), timeout=self.deadline)

    def spec(self, **other):
        return stubs.evaluation_pb2.EvaluationSpec(**{**dict(
            model="balanced", epsilons=[wire.levels(4)], samples=200,
            attacks=[wire.attack("igsm", steps=20)]), **other})

    def evaluate(self, spec):
        """(id, stream) of an evaluation that ends with the stream."""
        stream = self.service.EvaluateRobustness(
            self.pb.EvaluateRobustnessRequest(
                spec=spec, cancel_on_disconnect=True), timeout=DEADLINE)
        return next(stream).evaluation.id, stream

    def cancel(self, call):
        call.cancel()
        return self.server.until_idle()


@needs_zoo
class StagesTest(CancelTest):

    def check_wasted(self, before, after, steps):
        self.assertLessEqual(after["adv_wasted_passes_total"] -
                             before["adv_wasted_passes_total"], steps)
        # It serves on.
        self.assertEqual(1, len(self.classify().result().results))

    def victims(self):
        yield "Classify", self.classify
        yield "GenerateAdversarial", self.generate

    def test_what_waits_costs_nothing(self):
        for name, victim in self.victims():
            with self.subTest(name):
                # Interactive work gives no way to other interactive work.
                blockers = [self.generate(count=4) for _ in range(3)]
                self.server.until(lambda m: m["adv_queue_jobs"] >= 2)
                waiting = self.server.metrics()["adv_queue_accepted_total"]
                call = victim()
                before = self.server.until(
                    lambda m, n=waiting: m["adv_queue_accepted_total"] > n)
                call.cancel()
                self.server.until(lambda m: m["adv_rpc_in_flight"] <= 3)
                for blocker in blockers:
                    blocker.cancel()
                after = self.server.until_idle()
                # The blockers alone had begun, and one of them ran.
                self.check_wasted(before, after, 1)
                self.assertEqual(
                    before["adv_compute_jobs_total"] + 4,
                    after["adv_compute_jobs_total"])

    def test_an_evaluation_that_waits_costs_nothing(self):
        blocker = self.generate(count=256, steps=100)  # bulk
        self.server.until(lambda m: m["adv_executor_running_jobs"])
        before = self.server.metrics()
        evaluation, stream = self.evaluate(self.spec())
        stream.cancel()
        # It is dropped when its turn comes.
        after = self.cancel(blocker)
        kept = self.service.GetEvaluation(
            self.pb.GetEvaluationRequest(id=evaluation), timeout=DEADLINE)
        self.assertEqual(stubs.evaluation_pb2.EVALUATION_STATE_CANCELLED,
                         kept.evaluation.state)
        self.assertEqual(0, kept.evaluation.samples_done)
        # The pass of the blocker.
        self.check_wasted(before, after, 1)

    def test_the_first_step_is_the_last(self):
        for name, victim in (("Classify", lambda: self.classify(1024)),
                             ("GenerateAdversarial",
                              lambda: self.generate(1024, steps=100))):
            with self.subTest(name):
                before = self.server.metrics()
                call = victim()
                self.server.until(lambda m: m["adv_executor_running_jobs"])
                after = self.cancel(call)
                self.assertIn(call.code(), (CANCELLED, grpc.StatusCode.OK))
                self.check_wasted(before, after, 1)
                # A pass that runs, and one that began before the cancel came.
                self.assertLessEqual(
                    after["adv_pass_images_total"] -
                    before["adv_pass_images_total"], 3 * 1024)

    def test_between_tiles_and_while_they_are_stored_nothing_is_lost(self):
        print(f"ADV_CANCEL_SEED={SEED}")
        moments = random.Random(SEED)
        # Tiles of one image are stored all the time.
        spec = self.spec(tile_size=1, attacks=[wire.attack("fgsm")], seed=3)
        done, cancelled = 0, 0
        while True:
            before = self.server.metrics()
            evaluation, stream = self.evaluate(spec)
            goal = done + moments.randrange(1, 30)
            ended = self.read_until(stream, evaluation, goal)
            after = self.cancel(stream)
            self.check_wasted(before, after, 1)
            kept = self.service.GetEvaluation(
                self.pb.GetEvaluationRequest(id=evaluation),
                timeout=DEADLINE).evaluation
            # What was stored stays.
            self.assertGreaterEqual(kept.samples_done, done)
            done = kept.samples_done
            if ended or kept.HasField("report"):
                break
            cancelled += 1
        self.assertGreater(cancelled, 3)
        other = wire.service(wire.connect(self, Server(
            self, store=store_with(self, "balanced")).address))
        _, _, whole = wire.evaluate(other, spec)
        self.assertEqual(whole.records_sha256, kept.report.records_sha256)

    def read_until(self, stream, evaluation, goal):
        """Waits for so many samples; true if the stream ended before."""
        while True:
            now = self.service.GetEvaluation(
                self.pb.GetEvaluationRequest(id=evaluation),
                timeout=DEADLINE).evaluation
            if now.HasField("report"):
                return True
            if now.samples_done >= goal:
                return False


@needs_zoo
class LeakTest(CancelTest):

    # All are to wait. Those that could not end before a deadline would be
    # refused, which ones depends on the machine.
    deadline = None

    def setUp(self):  # each case has a server of its own
        pass

    def give_up(self):
        """BATCH calls of all kinds that run or wait, all cancelled."""
        _, stream = self.evaluate(self.spec())
        calls = [self.generate() for _ in range(BATCH // 2)]
        calls += [self.classify() for _ in range(BATCH - len(calls) - 1)]
        self.server.until(lambda m: m["adv_rpc_in_flight"] >= BATCH - 1)
        for call in calls + [stream]:
            call.cancel()
        return self.server.until_idle()

    def growth(self, blocks=BLOCKS, **options):
        """What a cancel leaves behind: (bytes, descriptors, threads).

        A leak shows in every block of cancels. What malloc keeps for later or
        gives back does not, so bytes are the median of how the lowest reading
        grows from block to block.
        """
        self.serve(**options)
        first = self.give_up()
        floors = []
        for _ in range(blocks + 1):  # in the first one caches and pools fill
            readings = [self.give_up() for _ in range(BATCHES)]
            floors.append(min(metrics["process_resident_memory_bytes"]
                              for metrics in readings))
        metrics = readings[-1]
        grown = [(after - before) / (BATCHES * BATCH)
                 for before, after in zip(floors, floors[1:])]
        result = (statistics.median(grown),
                  *(metrics[name] - first[name] for name in
                    ("process_open_fds", "process_threads")))
        print(f"{options}: %+.0f bytes a cancel, %+d descriptors, %+d threads"
              % result, "of", [round(one) for one in grown])
        self.server.terminate()
        self.assertEqual(0, self.server.wait())
        return result

    def test_2000_cancels_leave_nothing(self):
        memory, descriptors, threads = self.growth()
        self.assertLess(memory, BOUND)
        self.assertLess(descriptors, FEW)
        self.assertLess(threads, FEW)

    def test_a_leak_of_10_kilobytes_would_be_seen(self):
        memory, _, _ = self.growth(variables={"LD_PRELOAD": LEAK})
        self.assertGreater(memory, BOUND)

    def test_a_leak_of_descriptors_would_be_seen(self):
        _, descriptors, _ = self.growth(
            1, variables={"LD_PRELOAD": LEAK, "LEAK_DESCRIPTORS": "1"})
        self.assertGreater(descriptors, FEW)


if __name__ == "__main__":
    main()
