"""A client in another language, from nothing but the protos, uses the whole
main job of a real server with the real models."""

import unittest

import grpc
import numpy

import wire
from harness import (CLASSES, Server, main, needs_zoo, read_sample,
                     shared_server, stubs)


class RealServerTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.labels, cls.images = read_sample()

    def setUp(self):
        self.channel = wire.connect(self, shared_server().address)
        self.service = wire.service(self.channel)
        self.pb = stubs.attack_evaluation_service_pb2

    def refused(self, call, request):
        with self.assertRaises(grpc.RpcError) as caught:
            call(request, timeout=wire.CALL_SECONDS)
        return caught.exception


@needs_zoo
class ClassifyTest(RealServerTest):

    def classify(self, images, layout="NCHW", **fields):
        return self.service.Classify(self.pb.ClassifyRequest(
            model="balanced", images=wire.batch(images, layout), **fields),
            timeout=wire.CALL_SECONDS)

    def test_most_images_get_their_label(self):
        reply = self.classify(self.images, top_k=1)
        self.assertEqual("balanced", reply.model.name)
        self.assertEqual(64, len(reply.model.digest))
        predicted = numpy.array([r.top[0].label for r in reply.results])
        self.assertGreater((predicted == self.labels).mean(), .7)
        for result in reply.results:
            self.assertEqual(1, len(result.top))
            self.assertEqual(CLASSES[result.top[0].label],
                             result.top[0].class_name)

    def test_layout_and_type_are_spelling_only(self):
        few = self.images[::100]
        expected = wire.logits_of(
            self.classify(few, include_logits=True).results)
        floats = few.astype(numpy.float32) / numpy.float32(255)
        for images, layout in ((few, "NHWC"), (floats, "NCHW"),
                               (floats, "NHWC")):
            with self.subTest(type=images.dtype, layout=layout):
                numpy.testing.assert_array_equal(expected, wire.logits_of(
                    self.classify(images, layout,
                                  include_logits=True).results))

    def test_neighbours_change_no_bit(self):
        together = wire.logits_of(
            self.classify(self.images[:50], include_logits=True).results)
        for size in (1, 7, 16):
            with self.subTest(images=size):
                alone = wire.logits_of(self.classify(
                    self.images[:size], include_logits=True).results)
                numpy.testing.assert_array_equal(together[:size], alone)

    def test_probabilities_add_up_and_fall(self):
        for result in self.classify(self.images[:8]).results:
            values = [score.probability for score in result.top]
            self.assertEqual(10, len(values))
            self.assertAlmostEqual(1, sum(values), places=5)
            self.assertEqual(sorted(values, reverse=True), values)


@needs_zoo
class GenerateAdversarialTest(RealServerTest):

    def generate(self, images, **fields):
        return self.service.GenerateAdversarial(
            self.pb.GenerateAdversarialRequest(
                model="balanced", images=wire.batch(images), **fields),
            timeout=wire.CALL_SECONDS)

    def test_images_stay_in_the_ball_and_the_box_and_fool(self):
        chosen = self.images[::20]
        clean = chosen / numpy.float32(255)
        for name in ("fgsm", "igsm"):
            with self.subTest(attack=name):
                reply = self.generate(
                    chosen.astype(numpy.float32) / numpy.float32(255),
                    labels=self.labels[::20], attack=wire.attack(name),
                    epsilon=wire.levels(8))
                adversarial = wire.images_of(reply.images)
                self.assertLessEqual(
                    numpy.abs(adversarial - clean).max(), 8 / 255 + 1e-6)
                self.assertGreaterEqual(adversarial.min(), 0)
                self.assertLessEqual(adversarial.max(), 1)
                fooled = [r.adversarial.top[0].label != r.label
                          for r in reply.results]
                self.assertGreater(numpy.mean(fooled), .6)
                self.assertEqual([r.record.success for r in reply.results],
                                 fooled)

    def test_eight_bit_images_are_what_was_verified(self):
        chosen = self.images[::50]
        reply = self.generate(chosen, labels=self.labels[::50],
                              attack=wire.attack("igsm"), eight_bit=True,
                              epsilon=wire.levels(4))
        stored = wire.images_of(reply.images)
        self.assertEqual(numpy.uint8, stored.dtype)
        self.assertLessEqual(
            numpy.abs(stored.astype(int) - chosen.astype(int)).max(), 4)
        again = self.service.Classify(self.pb.ClassifyRequest(
            model="balanced", images=wire.batch(stored), top_k=1),
            timeout=wire.CALL_SECONDS)
        self.assertEqual(
            [r.adversarial.top[0].label for r in reply.results],
            [r.top[0].label for r in again.results])

    def test_a_target_is_reached_more_often_than_by_chance(self):
        ship = CLASSES.index("ship")
        others = self.labels != ship
        chosen = self.images[others][::30]
        pb = stubs.attack_pb2
        goal = pb.Goal(targeted=pb.TargetedGoal(
            rule=pb.TARGET_RULE_FIXED, target_class=ship))
        reply = self.generate(chosen, labels=self.labels[others][::30],
                              attack=wire.attack("igsm"), goal=goal,
                              epsilon=wire.levels(16))
        hits = [r.adversarial.top[0].label == ship for r in reply.results]
        self.assertGreater(numpy.mean(hits), .5)
        self.assertEqual({ship}, {r.record.target for r in reply.results})


@needs_zoo
class EvaluateRobustnessTest(RealServerTest):

    def spec(self, **fields):
        given = dict(model="no-cat", samples=100, seed=3,
                     attacks=[wire.attack("fgsm"), wire.attack("igsm")],
                     epsilons=[wire.levels(1), wire.levels(4)])
        given.update(fields)
        return stubs.evaluation_pb2.EvaluationSpec(**given)

    def test_counts_add_up(self):
        first, _, report = wire.evaluate(self.service, self.spec())
        self.assertEqual(64, len(first.id))
        self.assertEqual("no-cat", first.resolved.model.name)
        self.assertEqual(4, len(report.results))
        self.assertEqual(CLASSES.index("cat"), report.special_label)
        for result in report.results:
            total = self.table(result.overall)
            self.assertEqual(100, sum(total))
            self.assertEqual(total, tuple(map(sum, zip(
                *(self.table(c.outcomes) for c in result.per_class)))))
            self.assertEqual(total[0] + total[1],
                             result.overall.clean_accuracy.count)
            self.assertEqual(total[0], result.overall.robust_accuracy.count)
            self.assertEqual(total[0] + total[2],
                             result.overall.perturbed_accuracy.count)
            self.assertEqual(0, result.constraint_violations)
            self.assertEqual(100, sum(result.confusion.counts))
            for rate in (result.overall.clean_accuracy,
                         result.overall.robust_accuracy):
                self.assertLessEqual(rate.lower, rate.value)
                self.assertLessEqual(rate.value, rate.upper)

    @staticmethod
    def table(outcomes):
        return (outcomes.clean_right_adversarial_right,
                outcomes.clean_right_adversarial_wrong,
                outcomes.clean_wrong_adversarial_right,
                outcomes.clean_wrong_adversarial_wrong)

    def test_the_same_spec_is_the_same_evaluation(self):
        first, _, report = wire.evaluate(self.service, self.spec())
        again, _, report_again = wire.evaluate(self.service, self.spec())
        self.assertEqual(first.id, again.id)
        self.assertEqual(report.records_sha256, report_again.records_sha256)
        other, _, _ = wire.evaluate(self.service, self.spec(seed=4))
        self.assertNotEqual(first.id, other.id)

    def test_a_fresh_server_computes_the_same_records(self):
        _, _, report = wire.evaluate(self.service, self.spec())
        fresh = wire.service(wire.connect(self, Server(self).address))
        _, _, report_again = wire.evaluate(fresh, self.spec())
        self.assertEqual(report.records_sha256, report_again.records_sha256)

    def test_records_are_those_of_the_report(self):
        first, _, report = wire.evaluate(self.service, self.spec())
        records, token = [], ""
        while True:
            page = self.service.ListEvaluationRecords(
                self.pb.ListEvaluationRecordsRequest(
                    id=first.id, page_size=64, page_token=token),
                timeout=wire.CALL_SECONDS)
            records += page.records
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(100, len(records))
        for number, result in enumerate(report.results):
            right = [r.attacks[number].prediction == r.label for r in records]
            self.assertEqual(sum(right),
                             result.overall.perturbed_accuracy.count)


@needs_zoo
class ErrorTest(RealServerTest):

    def test_every_violation_comes_at_once(self):
        request = self.pb.GenerateAdversarialRequest(
            model="balanced", images=wire.batch(self.images[:2]),
            labels=[3, 77], attack=wire.attack("igsm", steps=0),
            epsilon=wire.levels(-1))
        error = self.refused(self.service.GenerateAdversarial, request)
        self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT, error.code())
        details = wire.error_details(error)
        self.assertIn("ErrorInfo", details)
        fields = {v.field for v in details["BadRequest"].field_violations}
        self.assertGreaterEqual(len(fields), 3, fields)
        for part in ("labels", "steps", "epsilon"):
            self.assertTrue(any(part in field for field in fields),
                            (part, fields))
        for violation in details["BadRequest"].field_violations:
            self.assertTrue(violation.description)

    def test_an_unknown_model_lists_the_known_ones(self):
        error = self.refused(self.service.Classify, self.pb.ClassifyRequest(
            model="no-such", images=wire.batch(self.images[:1])))
        self.assertEqual(grpc.StatusCode.NOT_FOUND, error.code())
        for name in ("no-such", "balanced", "no-cat"):
            self.assertIn(name, error.details())

    def test_without_an_attack_it_names_those_that_there_are(self):
        error = self.refused(
            self.service.GenerateAdversarial,
            self.pb.GenerateAdversarialRequest(
                model="balanced", images=wire.batch(self.images[:1]),
                labels=[0], epsilon=wire.levels(8)))
        self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT, error.code())
        for name in ("fgsm", "auto_attack", "noise"):
            self.assertIn(name, error.details())

    def test_every_attack_is_served(self):
        pb = stubs.attack_pb2
        short = {"steps": 2, "queries": 20, "binary_search_steps": 2}
        for kind in pb.Attack.DESCRIPTOR.oneofs_by_name["kind"].fields:
            names = kind.message_type.fields_by_name
            attack = wire.attack(kind.name, **{
                name: value for name, value in short.items() if name in names})
            if kind.name == "auto_attack":
                attack = wire.attack("auto_attack", members=[
                    wire.attack("apgd", steps=2), wire.attack("square",
                                                              queries=5)])
            with self.subTest(attack=kind.name):
                reply = self.service.GenerateAdversarial(
                    self.pb.GenerateAdversarialRequest(
                        model="balanced", attack=attack,
                        images=wire.batch(self.images[:2]),
                        epsilon=wire.pixels(.5)), timeout=wire.CALL_SECONDS)
                self.assertEqual(2, len(reply.results))
                self.assertEqual(kind.name, reply.attack.WhichOneof("kind"))

    def test_the_server_goes_on_serving(self):
        broken = wire.batch(self.images[:1])
        broken.data = broken.data[:-1]
        error = self.refused(self.service.Classify, self.pb.ClassifyRequest(
            model="balanced", images=broken))
        self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT, error.code())
        self.assertIn("3072", error.details().replace(",", ""))
        health = stubs.health_pb2_grpc.HealthStub(self.channel)
        reply = health.Check(stubs.health_pb2.HealthCheckRequest(
            service="adv.v1.AttackEvaluationService"),
            timeout=wire.CALL_SECONDS)
        self.assertEqual(stubs.health_pb2.HealthCheckResponse.SERVING,
                         reply.status)


if __name__ == "__main__":
    main()
