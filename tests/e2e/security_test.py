"""Who gets in, what they may do there, and what is noted of it."""

import json
import os
import re
import unittest

import grpc
from google.protobuf import descriptor_pb2

import wire
from callers import DEADLINE, DENIED, OK, ROLES, UNAUTHENTICATED, advserver, \
    bearer, code_of, entry, replace, server_info
from harness import ROOT, ModuleScope, Server, main, needs_zoo, read_sample, \
    stubs, temporary_folder


def rules_of_readme():
    """{"service/Method": role}, from the table in server/README.md."""
    with open(os.path.join(ROOT, "server", "README.md"),
              encoding="utf-8") as file:
        rows = re.findall(
            r"^\| `([\w.]+)` \| (anyone|viewer|evaluator|admin) \| (.*) \|$",
            file.read(), re.M)
    return {f"{service}/{method}": role for service, role, methods in rows
            for method in re.findall(r"`(\w+)`", methods)}


def all_methods():
    """{"service/Method": its descriptor} of every service that is served."""
    files = [stubs.attack_evaluation_service_pb2, stubs.model_service_pb2,
             stubs.server_service_pb2, stubs.health_pb2,
             stubs.open_inference_pb2, stubs.reflection_v1_pb2,
             stubs.reflection_v1alpha_pb2]
    return {f"{service.full_name}/{method.name}": method
            for file in files
            for service in file.DESCRIPTOR.services_by_name.values()
            for method in service.methods}


def call_empty(channel, method, descriptor, token):
    """The code of a call with an empty request, whatever the method is."""
    proto = descriptor_pb2.MethodDescriptorProto()
    descriptor.CopyToProto(proto)
    up, down = proto.client_streaming, proto.server_streaming
    kind = f"{'stream' if up else 'unary'}_{'stream' if down else 'unary'}"
    caller = getattr(channel, kind)("/" + method)
    metadata = bearer(token) if token else ()

    def call():
        reply = caller(iter([b""]) if up else b"", timeout=DEADLINE,
                       metadata=metadata)
        if down:
            next(reply)  # a watch has no end
            reply.cancel()

    return code_of(call)


@needs_zoo
class RolesTest(unittest.TestCase):
    """Without TLS: tokens alone decide, as behind a proxy that has it."""

    @classmethod
    def setUpClass(cls):
        folder = temporary_folder(ModuleScope)
        cls.audit = os.path.join(folder, "audit")
        path = os.path.join(folder, "identities.json")
        known = [entry(role, role, f"adv_{role}") for role in ROLES]
        known.append(entry("few", "viewer", "adv_few",
                           quota={"calls_per_minute": 2}))
        known.append(entry("cheap", "evaluator", "adv_cheap",
                           quota={"cost_per_minute": 10}))
        known.append(entry("one", "evaluator", "adv_one",
                           quota={"evaluations": 1}))
        replace(path, json.dumps(known).encode())
        cls.server = Server(ModuleScope, f"--identities={path}",
                            f"--audit-log={cls.audit}", "--log-format=json")
        cls.channel = grpc.insecure_channel(cls.server.address)
        unittest.addModuleCleanup(cls.channel.close)
        cls.service = wire.service(cls.channel)

    def lines(self, path=None):
        with open(path or self.audit, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def generate(self, token, request_id="-", levels=8):
        _, images = read_sample()
        pb = stubs.attack_evaluation_service_pb2
        request = pb.GenerateAdversarialRequest(
            model="balanced", images=wire.batch(images[:2]),
            attack=wire.attack("fgsm"), epsilon=wire.levels(levels))
        return code_of(lambda: self.service.GenerateAdversarial(
            request, timeout=DEADLINE,
            metadata=bearer(token) + (("x-request-id", request_id),)))

    def evaluate(self, token, steps, request_id="-"):
        """The stream after its first message, or the error."""
        pb = stubs.attack_evaluation_service_pb2
        spec = stubs.evaluation_pb2.EvaluationSpec(
            model="balanced", attacks=[wire.attack("igsm", steps=steps)])
        stream = self.service.EvaluateRobustness(
            pb.EvaluateRobustnessRequest(spec=spec), timeout=DEADLINE,
            metadata=bearer(token) + (("x-request-id", request_id),))
        try:
            return next(stream).evaluation, stream
        except grpc.RpcError as error:
            return error, stream

    def cancel(self, evaluation):
        pb = stubs.attack_evaluation_service_pb2
        self.service.CancelEvaluation(
            pb.CancelEvaluationRequest(id=evaluation.id), timeout=DEADLINE,
            metadata=bearer("adv_evaluator"))

    def test_every_method_with_every_role_follows_the_table(self):
        rules, methods = rules_of_readme(), all_methods()
        self.assertEqual(sorted(methods), sorted(rules))
        for method, descriptor in methods.items():
            needed = rules[method]
            for role in (None, "wrong", *ROLES):
                with self.subTest(method=method, role=role):
                    code, error = call_empty(
                        self.channel, method, descriptor,
                        role and f"adv_{role}")
                    if needed == "anyone":
                        self.assertNotIn(code, (UNAUTHENTICATED, DENIED))
                    elif role not in ROLES:
                        self.assertEqual(UNAUTHENTICATED, code)
                    elif ROLES.index(role) < ROLES.index(needed):
                        self.assertEqual(DENIED, code)
                        info = wire.error_details(error)["ErrorInfo"]
                        self.assertEqual("PERMISSION_DENIED", info.reason)
                        self.assertEqual(
                            {"method": method, "needed_role": needed,
                             "role": role, "identity": role},
                            dict(info.metadata))
                    else:
                        self.assertNotIn(code, (UNAUTHENTICATED, DENIED))

    def test_refusals_say_what_is_missing_and_no_log_has_a_token(self):
        code, error = server_info(self.channel)
        self.assertEqual(UNAUTHENTICATED, code)
        self.assertIn("authorization: Bearer TOKEN", error.details())
        self.assertEqual("UNAUTHENTICATED",
                         wire.error_details(error)["ErrorInfo"].reason)
        code, error = server_info(self.channel, "adv_of-nobody")
        self.assertEqual(UNAUTHENTICATED, code)
        self.assertNotIn("adv_of-nobody", error.details())
        self.assertEqual(OK, server_info(self.channel, "adv_admin")[0])
        log = self.server.log()
        self.assertIn('"identity":"admin"', log)
        self.assertNotRegex(log, "adv_(of-nobody|admin)")

    def test_calls_beyond_the_quota_are_told_when_to_come_back(self):
        for _ in range(2):
            self.assertEqual(OK, server_info(self.channel, "adv_few")[0])
        code, error = server_info(self.channel, "adv_few")
        self.assertEqual(grpc.StatusCode.RESOURCE_EXHAUSTED, code)
        details = wire.error_details(error)
        self.assertEqual("QUOTA_EXCEEDED", details["ErrorInfo"].reason)
        delay = details["RetryInfo"].retry_delay.ToMilliseconds()
        # A call is free after half a minute.
        self.assertGreater(delay, 0)
        self.assertLessEqual(delay, 30000)
        trailers = dict(error.trailing_metadata())
        self.assertEqual(str(delay), trailers["grpc-retry-pushback-ms"])

    def test_cost_beyond_the_quota_waits(self):
        # More than a minute's worth is done, and paid back afterwards.
        self.generate("adv_cheap")
        for _ in range(2):
            code, error = self.generate("adv_cheap")
            if code != OK:
                break
        self.assertEqual(grpc.StatusCode.RESOURCE_EXHAUSTED, code)
        self.assertIn("a cost of 10 a minute", error.details())

    def test_evaluations_beyond_the_quota_wait_for_the_first(self):
        first, stream = self.evaluate("adv_one", 901)
        refused, _ = self.evaluate("adv_one", 902)
        self.assertEqual(grpc.StatusCode.RESOURCE_EXHAUSTED, refused.code())
        self.assertIn("1 evaluations at once", refused.details())
        # The same one is no second one, and another identity has its own.
        same, again = self.evaluate("adv_one", 901)
        self.assertEqual(first.id, same.id)
        other, others = self.evaluate("adv_evaluator", 903)
        for each in (first, other):
            self.cancel(each)
        for each in (stream, again, others):
            self.assertEqual(grpc.StatusCode.ABORTED,
                             code_of(lambda: list(each))[0])
        second, stream = self.evaluate("adv_one", 902)
        self.cancel(second)
        stream.cancel()

    def test_every_attack_is_noted_once_also_a_refused_one(self):
        self.assertEqual(OK, self.generate("adv_evaluator", "audit-1")[0])
        self.assertEqual(DENIED, self.generate("adv_viewer", "audit-2")[0])
        self.assertEqual(UNAUTHENTICATED,
                         self.generate("adv_of-nobody", "audit-3")[0])
        self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT,
                         self.generate("adv_admin", "audit-4", levels=999)[0])
        evaluation, stream = self.evaluate("adv_evaluator", 904, "audit-5")
        self.cancel(evaluation)
        self.assertEqual(grpc.StatusCode.ABORTED,
                         code_of(lambda: list(stream))[0])
        found = {}
        for line in self.lines():
            if line["request_id"].startswith("audit-"):
                self.assertNotIn(line["request_id"], found)
                found[line["request_id"]] = line
        self.assertEqual(
            {"audit-1": ("evaluator", "evaluator", "OK"),
             "audit-2": ("viewer", "viewer", "PERMISSION_DENIED"),
             "audit-3": ("unknown", "anyone", "UNAUTHENTICATED"),
             "audit-4": ("admin", "admin", "INVALID_ARGUMENT"),
             "audit-5": ("evaluator", "evaluator", "OK")},
            {key: (line["identity"], line["role"], line["code"])
             for key, line in found.items()})
        for key in ("audit-1", "audit-4"):
            self.assertEqual(
                ("balanced", "fgsm", 2),
                tuple(found[key][f] for f in ("model", "attacks", "images")))
        self.assertEqual("8/255", found["audit-1"]["epsilons"])
        self.assertEqual(
            ("igsm", 1000, evaluation.id),
            tuple(found["audit-5"][f]
                  for f in ("attacks", "images", "evaluation_id")))
        self.assertRegex(found["audit-5"]["peer"], r"^ipv4:127\.0\.0\.1:")


class TokenTest(unittest.TestCase):

    def test_a_new_token_comes_with_its_entry(self):
        done = advserver("token", "new", "--name=ci", "--role=evaluator")
        token, text = done.stdout.splitlines()
        self.assertRegex(token, r"^adv_[\w-]{43}$")
        self.assertEqual(entry("ci", "evaluator", token), json.loads(text))
        self.assertNotEqual(token, advserver("token", "new").stdout.split()[0])
        for wrong in (["new", "--name=a b"], ["new", "--role=root"], []):
            self.assertEqual(2, advserver("token", *wrong).returncode)


if __name__ == "__main__":
    main()
