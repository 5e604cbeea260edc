"""What tests of evaluations that outlive their callers have in common."""

import time
import unittest

import wire
from harness import stubs

END_SECONDS = 300


def without_environment(report):
    """As bytes: a mean of nothing is NaN, which equals nothing."""
    report.ClearField("environment")
    return report.SerializeToString(deterministic=True)


class LastingCase(unittest.TestCase):
    """`service` is what wire.service() returns."""

    def setUp(self):
        self.pb = stubs.attack_evaluation_service_pb2
        self.states = stubs.evaluation_pb2.EvaluationState

    def until(self, condition, what):
        end = time.monotonic() + END_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(.02)

    def ask(self, service, spec):
        """The id of an evaluation that goes on without this caller."""
        stream = service.EvaluateRobustness(
            self.pb.EvaluateRobustnessRequest(spec=spec),
            timeout=wire.CALL_SECONDS)
        evaluation = next(stream).evaluation
        stream.cancel()
        return evaluation.id

    def get(self, service, evaluation_id):
        return service.GetEvaluation(
            self.pb.GetEvaluationRequest(id=evaluation_id),
            timeout=wire.CALL_SECONDS).evaluation

    def underway(self, evaluation):
        return evaluation.state in (self.states.EVALUATION_STATE_QUEUED,
                                    self.states.EVALUATION_STATE_RUNNING)

    def end(self, service, evaluation_id):
        """The evaluation once it has ended. It is looked at alone: nobody asks
        for it again."""
        self.until(
            lambda: not self.underway(self.get(service, evaluation_id)),
            "it does not end")
        return self.get(service, evaluation_id)

    def assert_report(self, service, evaluation_id, report):
        """That it succeeds, with these bytes but for its environment."""
        found = self.end(service, evaluation_id)
        self.assertEqual(self.states.EVALUATION_STATE_SUCCEEDED, found.state,
                         found.error)
        self.assertEqual(report, without_environment(found.report))
