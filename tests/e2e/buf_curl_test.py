"""`buf curl`, a foreign client in Go that knows nothing of this project: it
learns the API from the server's reflection, or from the tree's protos."""

import base64
import json
import os
import re
import subprocess
import unittest

import npm_packages
from harness import (ROOT, main, needs_zoo, read_sample, shared_server, stubs)

SECONDS = 60
SERVICES = {"adv.v1.AttackEvaluationService", "adv.v1.ModelService",
            "adv.v1.ServerService", "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "inference.GRPCInferenceService"}


def buf_version():
    """The one that ./dev pins."""
    with open(os.path.join(ROOT, "dev"), encoding="utf-8") as file:
        return re.search(r"BUF_VERSION=(\S+)", file.read())[1]


def messages(text):
    """JSON values one after the other."""
    decoder, found, place = json.JSONDecoder(), [], 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        value, place = decoder.raw_decode(text, place)
        found.append(value)
    return found


@needs_zoo
class BufCurlTest(unittest.TestCase):

    def setUp(self):
        modules = npm_packages.install({"@bufbuild/buf": buf_version()})
        self.buf = os.path.join(modules, ".bin", "buf")

    def curl(self, path, request=None, *flags):
        """(exit code, what it printed, its errors)"""
        done = subprocess.run(
            [self.buf, "curl", "--protocol=grpc", "--http2-prior-knowledge",
             *flags, *([] if request is None else ["--data=@-"]),
             f"http://{shared_server().address}/{path}"],
            input=json.dumps(request), cwd=ROOT, timeout=SECONDS,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            check=False)
        return done.returncode, done.stdout, done.stderr

    def answer(self, path, request=None, *flags):
        code, said, errors = self.curl(path, request, *flags)
        self.assertEqual(0, code, errors)
        return messages(said)

    def test_reflection_names_every_service_and_call(self):
        _, said, _ = self.curl("", None, "--list-services")
        self.assertEqual(SERVICES, set(said.split()))
        _, said, _ = self.curl("", None, "--list-methods")
        for call in ("adv.v1.AttackEvaluationService/EvaluateRobustness",
                     "adv.v1.ModelService/ReloadModels",
                     "grpc.health.v1.Health/Check"):
            self.assertIn(call, said.split())

    def test_calls_work_by_reflection_and_by_the_protos(self):
        _, images = read_sample()
        request = {"model": "balanced", "top_k": 1, "images": {
            "data": base64.b64encode(images[0].tobytes()).decode(),
            "shape": [1, 3, 32, 32], "data_type": "DATA_TYPE_UINT8",
            "layout": "IMAGE_LAYOUT_NCHW"}}
        for flags in ((), ("--schema=proto",)):
            with self.subTest(flags=flags):
                (info,) = self.answer("adv.v1.ServerService/GetServerInfo",
                                      None, *flags)
                self.assertEqual("cifar10-sample", info["datasets"][0]["name"])
                (seen,) = self.answer(
                    "adv.v1.AttackEvaluationService/Classify", request, *flags)
                self.assertIn("className", seen["results"][0]["top"][0])
                (health,) = self.answer("grpc.health.v1.Health/Check",
                                        {"service": "model/no-cat"}, *flags)
                self.assertEqual({"status": "SERVING"}, health)

    def test_an_evaluation_streams_to_its_report(self):
        first, *_, last = self.answer(
            "adv.v1.AttackEvaluationService/EvaluateRobustness",
            {"spec": {"model": "no-cat", "samples": 20,
                      "attacks": [{"fgsm": {}}], "epsilons": [{"levels": 2}]}})
        self.assertEqual(64, len(first["evaluation"]["id"]))
        self.assertEqual("20", last["report"]["cleanAccuracy"]["total"])
        (listed,) = self.answer(
            "adv.v1.AttackEvaluationService/ListEvaluations", {})
        self.assertIn(first["evaluation"]["id"],
                      [one["id"] for one in listed["evaluations"]])

    def test_errors_carry_their_details(self):
        code, _, errors = self.curl("adv.v1.ModelService/GetModel",
                                    {"model": "Lion"})
        self.assertEqual(3 * 8, code)  # INVALID_ARGUMENT
        error = json.loads(errors)
        self.assertEqual("invalid_argument", error["code"])
        details = {one["type"]: base64.b64decode(one["value"] + "==")
                   for one in error["details"]}
        kinds = stubs.error_details_pb2
        info = kinds.ErrorInfo.FromString(details["google.rpc.ErrorInfo"])
        self.assertEqual("INVALID_REQUEST", info.reason)
        bad = kinds.BadRequest.FromString(details["google.rpc.BadRequest"])
        self.assertEqual(["model"], [v.field for v in bad.field_violations])

    def test_a_field_that_is_not_there_is_named(self):
        code, _, errors = self.curl("adv.v1.ModelService/GetModel",
                                    {"modle": "no-cat"})
        self.assertNotEqual(0, code)
        self.assertIn("modle", errors)


if __name__ == "__main__":
    main()
