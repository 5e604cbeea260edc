"""The Python package against a fake server written with the same stubs."""

import json
import os
import subprocess
import unittest
from concurrent import futures

import python_package

python_package.import_from_wheel()

import grpc
import numpy

import adv_client
from adv_client import values
from adv_client.v1 import (attack_evaluation_service_pb2 as service_pb2,
                           attack_evaluation_service_pb2_grpc as service_grpc,
                           attack_pb2, evaluation_pb2, image_pb2)


class Fake(service_grpc.AttackEvaluationServiceServicer):

    def __init__(self):
        self.request = None

    def Classify(self, request, context):
        self.request = request
        if request.model == "lion":
            context.abort(grpc.StatusCode.NOT_FOUND, "known are balanced")
        response = service_pb2.ClassifyResponse()
        for _ in range(request.images.shape[0]):
            top = response.results.add().top
            top.add(label=3, class_name="cat", probability=.8)
            top.add(label=5, class_name="dog", probability=.1)
        return response

    def GenerateAdversarial(self, request, context):
        self.request = request
        response = service_pb2.GenerateAdversarialResponse(
            images=request.images)
        response.images.data = bytes(b ^ 1 for b in request.images.data)
        for i in range(request.images.shape[0]):
            result = response.results.add(label=3)
            result.record.prediction = 5
            result.record.success = i == 0
        return response

    def EvaluateRobustness(self, request, context):
        self.request = request
        evaluation = evaluation_pb2.Evaluation(id="ab" * 32)
        yield service_pb2.EvaluateRobustnessResponse(evaluation=evaluation)
        yield service_pb2.EvaluateRobustnessResponse(
            progress=evaluation_pb2.EvaluationProgress(samples_done=5))
        yield service_pb2.EvaluateRobustnessResponse(
            report=evaluation_pb2.EvaluationReport(records_sha256="cd"))


class ClientTest(unittest.TestCase):

    def setUp(self):
        self.fake = Fake()
        server = grpc.server(futures.ThreadPoolExecutor(2))
        service_grpc.add_AttackEvaluationServiceServicer_to_server(
            self.fake, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(server.stop, None)
        self.client = adv_client.connect(f"127.0.0.1:{port}")
        self.addCleanup(self.client.close)
        self.images = numpy.arange(2 * 3072, dtype=numpy.int64).astype(
            numpy.uint8).reshape(2, 32, 32, 3)

    def test_classify(self):
        seen = self.client.classify(self.images, top_k=2)
        self.assertEqual([[3, 5], [3, 5]], seen.labels.tolist())
        self.assertEqual((2, 2), seen.probabilities.shape)
        self.assertEqual(["cat", "dog"], seen.names[0])
        self.assertEqual(self.images.tobytes(), self.fake.request.images.data)

    def test_layouts_and_types(self):
        for images, shape in (
                (self.images, [2, 32, 32, 3]),
                (self.images.transpose(0, 3, 1, 2), [2, 3, 32, 32]),
                (self.images[0], [1, 32, 32, 3]),
                ((self.images / 255).astype(numpy.float32), [2, 32, 32, 3]),
                (self.images[:, :28, :20], [2, 28, 20, 3]),
                (self.images[..., :1], [2, 32, 32, 1]),
                (self.images[:, None, ..., 0], [2, 1, 32, 32]),
                (self.images[0, ..., :1], [1, 32, 32, 1])):
            self.client.classify(images)
            sent = self.fake.request.images
            self.assertEqual(shape, list(sent.shape))
            self.assertEqual(
                image_pb2.IMAGE_LAYOUT_NHWC if shape[3] in (1, 3)
                else image_pb2.IMAGE_LAYOUT_NCHW, sent.layout)
            self.assertEqual(numpy.ascontiguousarray(images).tobytes(),
                             sent.data)

    def test_wrong_images_are_told_before_the_call(self):
        with self.assertRaisesRegex(ValueError, "shape"):
            self.client.classify(numpy.zeros((32, 32), numpy.uint8))
        with self.assertRaisesRegex(ValueError, "1 or 3 channels"):
            self.client.classify(numpy.zeros((1, 32, 32, 4), numpy.uint8))
        with self.assertRaisesRegex(ValueError, "float64"):
            self.client.classify(numpy.zeros((1, 32, 32, 3)))
        self.assertIsNone(self.fake.request)

    def test_generate_adversarial(self):
        got = self.client.generate_adversarial(
            self.images, labels=[3, 3], attack=("igsm", {
                "steps": 7, "step_size": "2/255"}), epsilon="4/255",
            target=[5, 6])
        numpy.testing.assert_array_equal(self.images ^ 1, got.images)
        self.assertEqual([True, False], got.success.tolist())
        request = self.fake.request
        self.assertTrue(request.eight_bit)
        self.assertEqual(4, request.epsilon.levels)
        self.assertEqual(7, request.attack.igsm.steps)
        self.assertEqual(2, request.attack.igsm.step_size.levels)
        self.assertEqual([5, 6], request.goal.targeted.target_classes)

    def test_precision(self):
        precisions = []
        for precision in ("float32", "fast"):
            self.client.generate_adversarial(self.images, precision=precision)
            precisions.append(self.fake.request.precision)
        self.assertEqual([attack_pb2.PRECISION_FLOAT32,
                          attack_pb2.PRECISION_FAST], precisions)
        with self.assertRaisesRegex(ValueError, "known are float32, fast"):
            self.client.generate_adversarial(self.images, precision="faster")

    def test_one_image_comes_back_as_one(self):
        got = self.client.generate_adversarial(self.images[0])
        self.assertEqual((32, 32, 3), got.images.shape)

    def test_evaluate(self):
        seen = []
        evaluation = self.client.evaluate(
            "no-cat", attacks=["fgsm"], epsilons=[.01, "2/255"],
            target="least-likely", progress=seen.append)
        self.assertEqual("ab" * 32, evaluation.id)
        self.assertEqual("cd", evaluation.report.records_sha256)
        self.assertEqual([5], [p.samples_done for p in seen])
        spec = self.fake.request.spec
        self.assertEqual(.01, spec.epsilons[0].pixels)
        self.assertEqual(2, spec.epsilons[1].levels)
        self.assertEqual(attack_pb2.TARGET_RULE_LEAST_LIKELY,
                         spec.goal.targeted.rule)

    def test_refusals_are_rpc_errors(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.client.classify(self.images, model="lion")
        self.assertEqual(grpc.StatusCode.NOT_FOUND, caught.exception.code())
        self.assertEqual("known are balanced", caught.exception.details())

    def test_wrong_values_name_the_allowed_ones(self):
        with self.assertRaisesRegex(ValueError, "2/255"):
            adv_client.parse_epsilon(2)
        with self.assertRaisesRegex(ValueError, "N/255"):
            adv_client.parse_epsilon("1/8")
        for wrong, known in (
                ({"attack": "fgms"}, "fgsm, igsm"),
                ({"attack": ("pgd", {"step": 3})}, "step_size, steps"),
                ({"attack": ("pgd", {"steps": "many"})},
                 "'pgd': steps 'many': "),
                ({"attack": ("pgd", {"steps": -1})}, "'pgd': steps -1: "),
                ({"seed": -1}, "^seed -1: "), ({"model": 7}, "^model 7: "),
                ({"target": "cat"}, "least_likely, next, random"),
                ({"norm": "l3"}, "linf, l2, l1"),
                ({"success": "first"}, "last_iterate, any_iterate")):
            with self.subTest(wrong=wrong):
                with self.assertRaisesRegex(ValueError, known):
                    self.client.generate_adversarial(self.images, **wrong)
        for call, wrong in ((self.client.classify, {"top_k": -1}),
                            (self.client.classify, {"top_k": 1.5}),
                            (self.client.evaluate, {"samples": -1})):
            (name, value), = wrong.items()
            with self.assertRaisesRegex(ValueError, f"^{name} {value}: "):
                call(self.images if call == self.client.classify else "no-cat",
                     **wrong)
        with self.assertRaisesRegex(ValueError, "^id 7: "):
            self.client.get_evaluation(7)
        with self.assertRaisesRegex(ValueError, "images, or indices"):
            self.client.generate_adversarial()
        with self.assertRaisesRegex(ValueError, "localhost:50051"):
            adv_client.connect("localhost")
        with self.assertRaisesRegex(ValueError, "1 to 5"):
            adv_client.connect("localhost:50051", attempts=0)

    def test_fractions_are_no_classes(self):
        for wrong in ({"labels": [1.7, 2.2]}, {"labels": 1.5},
                      {"labels": [1, float("nan")]}, {"labels": ["cat", "3"]},
                      {"labels": [[1, 2]]}, {"labels": [None]},
                      {"target": 1.5}, {"target": [5, 6.5]}):
            with self.subTest(wrong=wrong):
                with self.assertRaisesRegex(ValueError, "whole number"):
                    self.client.generate_adversarial(self.images, **wrong)
        self.assertIsNone(self.fake.request)

    def test_whole_numbers_of_any_type_are_classes(self):
        for labels in ([3, 4], [3.0, 4.0], numpy.array([3, 4], numpy.uint8),
                       numpy.array([3, 4], numpy.float32), ["3", "4"]):
            with self.subTest(labels=labels):
                self.client.generate_adversarial(self.images, labels=labels,
                                                 target=numpy.float64(5))
                self.assertEqual([3, 4], self.fake.request.labels)
                self.assertEqual(
                    5, self.fake.request.goal.targeted.target_class)

    def test_one_value_is_a_list_of_one(self):
        for attacks, epsilons in (("fgsm", "8/255"), (["fgsm"], ["8/255"])):
            self.client.evaluate("no-cat", attacks=attacks, epsilons=epsilons)
            spec = self.fake.request.spec
            self.assertEqual([8], [e.levels for e in spec.epsilons])
            self.assertEqual(["fgsm"], [a.WhichOneof("kind")
                                        for a in spec.attacks])
        self.client.evaluate("no-cat", attacks=("pgd", {"steps": 3}),
                             epsilons=.01)
        spec = self.fake.request.spec
        self.assertEqual([3], [a.pgd.steps for a in spec.attacks])
        self.assertEqual([.01], [e.pixels for e in spec.epsilons])
        self.client.evaluate("no-cat", attacks=("fgsm", "igsm"),
                             epsilons=(i / 255 for i in range(3)))
        self.assertEqual(2, len(self.fake.request.spec.attacks))
        self.assertEqual(3, len(self.fake.request.spec.epsilons))

    def test_attacks_have_the_names_of_advctl(self):
        for name, field in (("bim", "igsm"), ("mim", "mi_fgsm"),
                            ("cw", "carlini_wagner"), ("hsj", "hop_skip_jump"),
                            ("AutoAttack", "auto_attack"), ("PGD", "pgd"),
                            ("ill", "iterative_least_likely")):
            with self.subTest(name=name):
                self.client.generate_adversarial(self.images, attack=name)
                self.assertEqual(
                    field, self.fake.request.attack.WhichOneof("kind"))
        self.client.evaluate("no-cat", attacks=[
            ("apgd-t", {"steps": 7}), "fab-t",
            ("auto-attack", {"members": ["apgd-dlr", "square"]})])
        apgd, fab, ensemble = self.fake.request.spec.attacks
        self.assertEqual(attack_pb2.APGD_LOSS_TARGETED_DLR, apgd.apgd.loss)
        self.assertEqual(7, apgd.apgd.steps)
        self.assertEqual(9, fab.fab.target_classes)
        self.assertEqual(attack_pb2.APGD_LOSS_DLR,
                         ensemble.auto_attack.members[0].apgd.loss)
        with self.assertRaisesRegex(ValueError, "sets loss already"):
            self.client.generate_adversarial(
                self.images, attack=("apgd-t", {"loss": "APGD_LOSS_CE"}))

    def test_advctl_has_the_same_names(self):
        advctl = os.path.join(os.environ.get("ADV_BUILD_DIR", ""), "client",
                              "advctl")
        if not os.path.exists(advctl):
            self.skipTest("advctl is not built")
        theirs = {}
        for field in attack_pb2.Attack.DESCRIPTOR.fields:
            shown = json.loads(subprocess.run(
                [advctl, "attacks", "show", field.name, "--output=json"],
                check=True, capture_output=True).stdout)
            theirs.update({a["name"]: a["attack"] for a in shown["aliases"]})
        ours = {}
        for alias, (attack, parameters) in values.ALIASES.items():
            ours[alias] = attack + "".join(
                f":{key.replace('_', '-')}=" + str(value).replace(
                    "APGD_LOSS_", "").replace("_", "-").lower()
                for key, value in parameters.items())
        self.assertEqual(theirs, ours)

    def test_sizes_that_are_none_are_refused(self):
        for wrong in ("", "/255", "x", "nan", "inf", -.1, "-1/255", None,
                      "1/255,2/255", "8/255/255"):
            with self.subTest(wrong=wrong):
                with self.assertRaisesRegex(ValueError, "write N/255"):
                    adv_client.parse_epsilon(wrong)


if __name__ == "__main__":
    unittest.main()
