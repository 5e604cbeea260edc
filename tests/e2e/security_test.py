"""Who gets in, what they may do there, and what is noted of it."""

import collections
import concurrent.futures
import functools
import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
import unittest
import urllib.request

import grpc
from google.protobuf import descriptor_pb2

import certificates
import wire
from harness import ADVSERVER, ROOT, ModuleScope, Server, environment, \
    free_port, main, needs_programs, needs_zoo, read_sample, stubs, \
    temporary_folder

DEADLINE = 60
ROLES = ["viewer", "evaluator", "admin"]
OK, UNAUTHENTICATED, DENIED = (grpc.StatusCode.OK,
                               grpc.StatusCode.UNAUTHENTICATED,
                               grpc.StatusCode.PERMISSION_DENIED)


def entry(name, role, token=None, **fields):
    if token:
        fields["token_sha256"] = hashlib.sha256(token.encode()).hexdigest()
    return {"name": name, "role": role, **fields}


def replace(path, content):
    """In one step, as whoever exchanges such a file should."""
    with open(path + ".new", "wb") as file:
        file.write(content)
    os.replace(path + ".new", path)


def wait_for(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not in time")
        time.sleep(.02)


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


def code_of(call):
    """The code of a call, and its error if it has one."""
    try:
        call()
        return OK, None
    except grpc.RpcError as error:
        return error.code(), error


def server_info(channel, token=None):
    return code_of(lambda: stubs.server_service_pb2_grpc.ServerServiceStub(
        channel).GetServerInfo(
            stubs.server_service_pb2.GetServerInfoRequest(), timeout=DEADLINE,
            metadata=bearer(token) if token else ()))


class Fixture:
    """One server with everything on, and files that tests exchange."""

    def __init__(self):
        folder = temporary_folder(ModuleScope)
        self.authority = certificates.Authority(folder, "ca")
        self.foreign = certificates.Authority(folder, "foreign")
        self.certificate, self.key, self.crl, self.identities = (
            os.path.join(folder, name) for name in
            ("server.pem", "server.key", "crl.pem", "identities.json"))
        self.set_server(self.issue_server(1))
        victim = self.issue("revoked at the start", 2)
        replace(self.crl, certificates.read(self.authority.revoke(victim[0])))
        self.revoked = victim
        self.known = [entry(role, role, f"adv_{role}") for role in ROLES]
        self.known.append(entry("robot", "viewer",
                                certificate="spiffe://lab/robot"))
        self.set_identities(self.known)
        self.metrics_port = free_port()
        self.server = Server(
            ModuleScope, f"--tls-certificate={self.certificate}",
            f"--tls-key={self.key}", f"--tls-crl={self.crl}",
            f"--tls-client-ca={self.authority.certificate}",
            f"--identities={self.identities}",
            metrics=f"127.0.0.1:{self.metrics_port}")

    def issue(self, name, serial, *validity, authority=None):
        return (authority or self.authority).issue(
            name.replace(" ", "-"), "URI:spiffe://lab/robot", serial, *validity)

    def issue_server(self, serial):
        return self.authority.issue(
            f"server-{serial}", "DNS:localhost,IP:127.0.0.1", serial)

    def set_server(self, pair):
        for path, source in zip((self.certificate, self.key), pair):
            replace(path, certificates.read(source))

    def set_identities(self, entries):
        replace(self.identities, json.dumps(entries).encode())

    def channel(self, pair=None):
        """With a connection of its own, never shared."""
        return grpc.secure_channel(
            self.server.address, grpc.ssl_channel_credentials(
                certificates.read(self.authority.certificate),
                *([certificates.read(pair[1]), certificates.read(pair[0])]
                  if pair else [])),
            options=[("grpc.use_local_subchannel_pool", 1)])

    def code(self, pair=None, token=None):
        with self.channel(pair) as channel:
            return server_info(channel, token)[0]

    def metric(self, name):
        with urllib.request.urlopen(
                f"http://127.0.0.1:{self.metrics_port}/metrics",
                timeout=DEADLINE) as reply:
            text = reply.read().decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])

    def shown_serial(self):
        host, port = self.server.address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=self.authority.certificate)
        context.set_alpn_protocols(["h2"])
        with socket.create_connection((host, int(port)), DEADLINE) as plain, \
                context.wrap_socket(plain, server_hostname=host) as secure:
            return int(secure.getpeercert()["serialNumber"], 16)


@functools.lru_cache(maxsize=None)
def fixture():
    return Fixture()


@needs_zoo
@needs_programs("openssl")
class TlsTest(unittest.TestCase):

    def test_certificates_are_let_in_or_turned_away(self):
        f = fixture()
        refused = grpc.StatusCode.UNAVAILABLE
        for name, expected, pair in (
                ("good", OK, f.issue("good", 11)),
                ("none", UNAUTHENTICATED, None),
                ("foreign", refused,
                 f.issue("foreign", 12, authority=f.foreign)),
                ("expired", refused, f.issue("expired", 13, "-days", "-1")),
                ("revoked", UNAUTHENTICATED, f.revoked),
                ("unnamed", UNAUTHENTICATED,
                 f.authority.issue("x", "URI:spiffe://lab/other", 14))):
            with self.subTest(certificate=name):
                self.assertEqual(expected, f.code(pair))
        # A token does not make up for a certificate that was revoked.
        self.assertEqual(UNAUTHENTICATED, f.code(f.revoked, "adv_admin"))
        self.assertEqual(OK, f.code(None, "adv_viewer"))

    def test_a_client_without_tls_gets_nothing(self):
        with grpc.insecure_channel(fixture().server.address) as channel:
            self.assertEqual(grpc.StatusCode.UNAVAILABLE,
                             server_info(channel, "adv_admin")[0])

    def test_a_certificate_that_is_revoked_loses_its_open_connection(self):
        f = fixture()
        pair = f.issue("robot", 15)
        with f.channel(pair) as channel:
            self.assertEqual(OK, server_info(channel)[0])
            replace(f.crl, certificates.read(f.authority.revoke(pair[0])))
            wait_for(lambda: server_info(channel)[0] == UNAUTHENTICATED)
            self.assertIn("certificate revoked",
                          server_info(channel)[1].details())

    def test_certificates_are_exchanged_under_load_without_an_error(self):
        f = fixture()
        pairs = [f.issue_server(serial) for serial in range(1000, 1020)]
        failures, calls = [], collections.Counter()
        stop = threading.Event()

        def call_on(kind, channel):
            code, error = server_info(channel, "adv_viewer")
            calls[kind] += 1
            if code != OK:
                failures.append(error)

        def on_one_connection():
            with f.channel() as channel:
                while not stop.is_set():
                    call_on("old", channel)

        def on_new_connections():
            while not stop.is_set():
                with f.channel() as channel:
                    call_on("new", channel)

        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = [pool.submit(each) for each in
                       (on_one_connection, on_new_connections)]
            try:
                for pair in pairs:
                    before = calls["new"]
                    f.set_server(pair)
                    wait_for(lambda: calls["new"] > before + 3)
                wait_for(lambda: f.shown_serial() == 1019)
            finally:
                stop.set()
            for each in running:
                each.result(DEADLINE)
        self.assertEqual([], failures)
        self.assertGreater(calls["old"], 20)

    def test_a_key_that_does_not_fit_keeps_the_old_pair(self):
        f = fixture()
        good = f.issue_server(2000)
        f.set_server(good)
        wait_for(lambda: f.shown_serial() == 2000)
        replace(f.key, certificates.read(f.issue_server(2001)[1]))
        wait_for(lambda: "event=tls_reload_failed" in f.server.log())
        self.assertIn("the key does not belong", f.server.log())
        self.assertEqual(0, f.metric("adv_tls_last_reload_successful"))
        self.assertEqual(OK, f.code(None, "adv_viewer"))
        self.assertEqual(2000, f.shown_serial())
        f.set_server(good)
        wait_for(lambda: f.metric("adv_tls_last_reload_successful") == 1)
        ends = certificates.openssl("x509", "-in", good[0], "-noout",
                                    "-enddate").split("=")[1]
        self.assertEqual(
            ssl.cert_time_to_seconds(ends.strip()),
            f.metric("adv_tls_certificate_not_after_seconds"))

    def test_identities_change_while_it_serves(self):
        f = fixture()
        self.addCleanup(f.set_identities, f.known)
        f.set_identities(f.known + [entry("late", "viewer", "adv_late")])
        wait_for(lambda: f.code(None, "adv_late") == OK)
        f.set_identities(f.known + [{"name": "late", "role": "root"}])
        failed = "adv_identities_last_reload_successful"
        wait_for(lambda: f.metric(failed) == 0)
        self.assertEqual(OK, f.code(None, "adv_late"))
        self.assertIn("[4].role must be viewer, evaluator or admin",
                      f.server.log())
        f.set_identities(f.known)
        wait_for(lambda: f.code(None, "adv_late") == UNAUTHENTICATED)
        self.assertEqual(1, f.metric(failed))
        self.assertEqual(4, f.metric("adv_identities"))


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
        request = stubs.attack_evaluation_service_pb2.GenerateAdversarialRequest(
            model="balanced", images=wire.batch(images[:2]),
            attack=wire.attack("fgsm"), epsilon=wire.levels(levels))
        return code_of(lambda: self.service.GenerateAdversarial(
            request, timeout=DEADLINE,
            metadata=bearer(token) + (("x-request-id", request_id),)))

    def evaluate(self, token, steps, request_id="-"):
        """The stream after its first message, or the error."""
        pb = stubs.attack_evaluation_service_pb2
        stream = self.service.EvaluateRobustness(
            pb.EvaluateRobustnessRequest(spec=stubs.evaluation_pb2.EvaluationSpec(
                model="balanced", attacks=[wire.attack("igsm", steps=steps)])),
            timeout=DEADLINE,
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
        self.assertGreater(details["RetryInfo"].retry_delay.ToMilliseconds(), 0)
        self.assertLessEqual(
            int(dict(error.trailing_metadata())["grpc-retry-pushback-ms"]),
            30000)

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


def run(*arguments):
    return subprocess.run([ADVSERVER, *arguments], env=environment(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=DEADLINE,
                          check=False)


class CommandLineTest(unittest.TestCase):

    def test_a_new_token_comes_with_its_entry(self):
        done = run("token", "new", "--name=ci", "--role=evaluator")
        token, text = done.stdout.splitlines()
        self.assertRegex(token, r"^adv_[\w-]{43}$")
        self.assertEqual(entry("ci", "evaluator", token), json.loads(text))
        self.assertNotEqual(token, run("token", "new").stdout.split()[0])
        self.assertEqual(2, run("token", "new", "--name=a b").returncode)
        self.assertEqual(2, run("token", "new", "--role=root").returncode)
        self.assertEqual(2, run("token").returncode)

    def test_files_that_do_not_fit_end_the_start(self):
        folder = temporary_folder(self)
        authority = certificates.Authority(folder, "ca")
        pair = authority.issue("server", "DNS:localhost", 1)
        old = authority.issue("old", "DNS:localhost", 2, "-days", "-1")
        with_pair = [f"--tls-certificate={pair[0]}", f"--tls-key={pair[1]}"]
        for flags, message in (
                ([f"--tls-key={pair[1]}"],
                 "--tls-key needs --tls-certificate"),
                (["--tls-certificate=/missing", f"--tls-key={pair[1]}"],
                 "--tls-certificate: /missing"),
                ([f"--tls-certificate={pair[0]}", f"--tls-key={old[1]}"],
                 "the key does not belong to the certificate"),
                ([f"--tls-certificate={old[0]}", f"--tls-key={old[1]}"],
                 "the certificate expired on"),
                ([*with_pair, f"--tls-client-ca={pair[1]}"],
                 "--tls-client-ca: the file holds no PEM certificate"),
                ([*with_pair, f"--tls-client-ca={authority.certificate}",
                  f"--tls-crl={pair[0]}"],
                 "--tls-crl: the file holds no PEM revocation list"),
                (["--identities=/missing"], "--identities: /missing"),
                (["--audit-log=/missing/a"], "--audit-log: /missing/a")):
            with self.subTest(flags=flags):
                done = run("--listen=127.0.0.1:0", "--metrics-listen=off",
                           "--state=:memory:", *flags)
                self.assertEqual(1, done.returncode)
                self.assertIn(message, done.stderr)


if __name__ == "__main__":
    main()
