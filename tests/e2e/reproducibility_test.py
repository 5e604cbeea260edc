"""The same bytes, however the work is cut up and whoever else works."""

import unittest

import wire
from harness import Server, main, needs_zoo, stubs

CALLERS = 64
SAMPLES = 100


@needs_zoo
class ReproducibilityTest(unittest.TestCase):
    """Attacks that draw random numbers, on images that leave early."""

    SETTINGS = dict(
        seed=7, norm=stubs.attack_pb2.NORM_LINF,
        success=stubs.attack_pb2.SUCCESS_RULE_ANY_ITERATE)

    def attack(self):
        return wire.attack("auto_attack", members=[
            wire.attack("pgd", steps=5, restarts=2),
            wire.attack("apgd", steps=4,
                        loss=stubs.attack_pb2.APGD_LOSS_TARGETED_DLR,
                        target_classes=2),
            wire.attack("square", queries=8)])

    def spec(self, **other):
        return stubs.evaluation_pb2.EvaluationSpec(
            model="balanced", attacks=[self.attack()],
            epsilons=[wire.levels(.5)], samples=SAMPLES,
            **{**self.SETTINGS, **other})

    def serve(self, *flags):
        return wire.service(wire.connect(self, Server(self, *flags).address))

    def records(self, service, evaluation):
        pb = stubs.attack_evaluation_service_pb2
        return service.ListEvaluationRecords(
            pb.ListEvaluationRecordsRequest(id=evaluation.id),
            timeout=wire.CALL_SECONDS).records

    def one(self, service, index):
        pb = stubs.attack_evaluation_service_pb2
        return service.GenerateAdversarial.future(
            pb.GenerateAdversarialRequest(
                model="balanced", attack=self.attack(),
                epsilon=wire.levels(.5),
                dataset_images=pb.DatasetImages(indices=[index]),
                **self.SETTINGS), timeout=wire.CALL_SECONDS)

    def test_one_caller_many_callers_and_other_tiles(self):
        alone = self.serve("--workers=1", "--jobs-per-worker=1")
        evaluation, _, report = wire.evaluate(alone, self.spec())
        records = self.records(alone, evaluation)
        self.assertEqual(SAMPLES, len(records))
        # Somebody was fooled by a later member and somebody by none.
        members = {record.attacks[0].member for record in records}
        self.assertTrue({-1, 0} < members, members)

        busy = self.serve()
        pb = stubs.attack_evaluation_service_pb2
        stream = busy.EvaluateRobustness(
            pb.EvaluateRobustnessRequest(spec=self.spec()),
            timeout=wire.CALL_SECONDS)
        chosen = records[:CALLERS]
        calls = [self.one(busy, record.index) for record in chosen]
        for record, call in zip(chosen, calls):
            self.assertEqual(record.attacks[0], call.result().results[0].record)
        *_, last = stream
        self.assertEqual(report.records_sha256, last.report.records_sha256)

        _, _, tiled = wire.evaluate(busy, self.spec(tile_size=7))
        self.assertEqual(report.records_sha256, tiled.records_sha256)
        _, _, other = wire.evaluate(busy, self.spec(seed=8))
        self.assertNotEqual(report.records_sha256, other.records_sha256)


if __name__ == "__main__":
    main()
