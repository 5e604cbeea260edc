"""kill -9 at 20 random moments of evaluations that nobody asks for again: they
go on by themselves, and their reports are those of a server that nothing
happened to, to the byte."""

import os
import random
import time
import unittest

import wire
from harness import Server, main, needs_zoo, stubs, temporary_folder

KILLS = 20
LONGEST_LIFE = 1.5  # seconds of a server after it serves
END_SECONDS = 300


def spec(seed):
    return stubs.evaluation_pb2.EvaluationSpec(
        model="no-cat", samples=96, tile_size=16, seed=seed,
        attacks=[wire.attack("pgd", steps=4), wire.attack("apgd", steps=5),
                 wire.attack("square", queries=20)],
        epsilons=[wire.levels(1), wire.levels(2)])


def without_environment(report):
    """As bytes: a mean of nothing is NaN, which equals nothing."""
    report.ClearField("environment")
    return report.SerializeToString(deterministic=True)


@needs_zoo
class KillTest(unittest.TestCase):

    def setUp(self):
        self.pb = stubs.attack_evaluation_service_pb2
        self.states = stubs.evaluation_pb2.EvaluationState
        seed = int(os.environ.get("ADV_SEED", time.time_ns() % 10**6))
        print(f"ADV_SEED={seed}")
        self.random = random.Random(seed)

    def service(self, server):
        return wire.service(wire.connect(self, server.address))

    def ask(self, service, seed):
        """The id of an evaluation that goes on without this caller."""
        stream = service.EvaluateRobustness(
            self.pb.EvaluateRobustnessRequest(spec=spec(seed)),
            timeout=wire.CALL_SECONDS)
        evaluation = next(stream).evaluation
        stream.cancel()
        return evaluation.id

    def get(self, service, evaluation_id):
        return service.GetEvaluation(
            self.pb.GetEvaluationRequest(id=evaluation_id),
            timeout=wire.CALL_SECONDS).evaluation

    def end(self, service, evaluation_id):
        """The evaluation once it has ended."""
        end = time.monotonic() + END_SECONDS
        while True:
            evaluation = self.get(service, evaluation_id)
            if evaluation.state not in (self.states.EVALUATION_STATE_QUEUED,
                                        self.states.EVALUATION_STATE_RUNNING):
                return evaluation
            self.assertLess(time.monotonic(), end, "it does not end")
            time.sleep(.05)

    def test_evaluations_outlive_kills(self):
        state = temporary_folder(self)
        server = Server(self, state=state)
        ids = [self.ask(self.service(server), 0)]
        kills = []
        while len(kills) < KILLS:
            time.sleep(self.random.uniform(0, LONGEST_LIFE))
            now = self.get(self.service(server), ids[-1])
            server.kill()
            server = Server(self, state=state)
            if now.state == self.states.EVALUATION_STATE_SUCCEEDED:
                ids.append(self.ask(self.service(server), len(ids)))
            else:
                kills.append((len(ids) - 1, now.samples_done))
        print(f"killed at (evaluation, samples done): {kills}")

        service = self.service(server)
        fresh = self.service(Server(self))
        for seed, evaluation_id in enumerate(ids):
            # Nobody asks for it: it is looked at alone.
            found = self.end(service, evaluation_id)
            self.assertEqual(self.states.EVALUATION_STATE_SUCCEEDED,
                             found.state, found.error)
            expected = self.end(fresh, self.ask(fresh, seed))
            self.assertEqual(evaluation_id, expected.id)
            self.assertEqual(without_environment(expected.report),
                             without_environment(found.report))
        print(f"{len(ids)} reports are the same to the byte")


if __name__ == "__main__":
    main()
