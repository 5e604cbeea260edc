"""advctl reaches servers over TLS, says who it is, and keeps contexts.

The server here is grpcio's, which notes what each call brings along; the last
case asks the real one.
"""

import collections
import hashlib
import json
import os
import subprocess
import threading
import unittest
from concurrent import futures

import grpc

from harness import (ADVCTL, ADVSERVER, Server, advctl, environment, main,
                     needs_programs, needs_zoo, stubs, temporary_folder)

OK, FAILED, USAGE, UNREACHABLE, REFUSED = range(5)
TOKEN = "adv_secret"


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    """Signs certificates in a folder."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate = self.path("pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-keyout",
                self.path("key"), "-out", self.certificate, "-subj",
                f"/CN={name}")

    def path(self, ending):
        return os.path.join(self.folder, f"{self.name}.{ending}")

    def issue(self, name, san="DNS:localhost,IP:127.0.0.1", days=30):
        """Paths of a certificate and its key; days=-1: expired."""
        certificate, key, request = (self.path(f"{name}.{ending}") for ending
                                     in ("pem", "key", "request"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                request, "-subj", f"/CN={name}", "-addext",
                f"subjectAltName={san}")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate,
                "-CAkey", self.path("key"), "-set_serial", "7",
                "-copy_extensions", "copyall", "-days", str(days), "-out",
                certificate)
        return certificate, key


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Notes(grpc.ServerInterceptor):
    """Notes what each call brings; refuses all calls with `code`, if any."""

    def __init__(self):
        self.code = None
        self.calls = collections.Counter()  # (method, authorization)
        self._lock = threading.Lock()

    def intercept_service(self, continuation, call):
        found = dict(call.invocation_metadata)
        with self._lock:
            self.calls[call.method.rpartition("/")[2],
                       found.get("authorization")] += 1
        if self.code is None:
            return continuation(call)

        def refuse(_, context):
            context.abort(self.code, "because of the test")

        return grpc.unary_unary_rpc_method_handler(refuse)


def start(test, credentials, notes):
    """A server on a free port of 127.0.0.1; its port."""
    info, health = stubs.server_service_pb2, stubs.health_pb2

    class Info(stubs.server_service_pb2_grpc.ServerServiceServicer):
        def GetServerInfo(self, request, context):
            return info.GetServerInfoResponse(version="9.8.7")

    class Health(stubs.health_pb2_grpc.HealthServicer):
        def Check(self, request, context):
            return health.HealthCheckResponse(
                status=health.HealthCheckResponse.SERVING)

        def Watch(self, request, context):
            yield self.Check(request, context)
            ended = threading.Event()
            if context.add_callback(ended.set):
                ended.wait()

    server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=[notes])
    stubs.server_service_pb2_grpc.add_ServerServiceServicer_to_server(
        Info(), server)
    stubs.health_pb2_grpc.add_HealthServicer_to_server(Health(), server)
    port = (server.add_secure_port("127.0.0.1:0", credentials) if credentials
            else server.add_insecure_port("127.0.0.1:0"))
    server.start()
    test.addCleanup(lambda: server.stop(None).wait())
    return port


@needs_programs("openssl")
class ContextTest(unittest.TestCase):

    def setUp(self):
        self.folder = temporary_folder(self)
        self.authority = Authority(self.folder, "authority")
        self.ca = f"--ca={self.authority.certificate}"
        self.notes = Notes()
        self.token = os.path.join(self.folder, "token")
        with open(self.token, "w", encoding="utf-8") as file:
            file.write(TOKEN + "\n")
        os.chmod(self.token, 0o600)

    def serve(self, client_ca=None, **issued):
        certificate, key = self.authority.issue("server", **issued)
        credentials = grpc.ssl_server_credentials(
            [(read(key), read(certificate))],
            root_certificates=client_ca and read(client_ca),
            require_client_auth=client_ca is not None)
        return f"localhost:{start(self, credentials, self.notes)}"

    def run_in(self, *arguments, variables=None):
        """advctl with a file of contexts of this test's own."""
        return subprocess.run(
            [ADVCTL, *arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.folder, check=False, timeout=60,
            env={**environment(), **(variables or {}),
                 "ADVCTL_CONFIG": os.path.join(self.folder, "contexts.json")})

    def asserts(self, code, done):
        self.assertEqual(code, done.returncode, done.stderr + done.stdout)
        return done.stdout if code == OK else done.stderr


class TlsTest(ContextTest):

    def test_an_authority_of_ones_own(self):
        address = self.serve()
        text = self.asserts(OK, advctl("server", "info", self.ca,
                                       server=address))
        self.assertIn("9.8.7", text)

    def test_what_is_wrong_is_told_with_what_to_do(self):
        address = self.serve()
        stranger = Authority(self.folder, "stranger").certificate
        for options in (["--tls"], [f"--ca={stranger}"]):
            text = self.asserts(UNREACHABLE, advctl(
                "server", "info", *options, server=address))
            self.assertIn(f"no connection to {address}: ", text)
            self.assertRegex(text, "(?i)certificate.verify.failed")
            self.assertIn("signed by", text)
            self.assertEqual(1, text.count("advctl: "), text)
            # gRPC's own log would only repeat it.
            self.assertNotIn("ssl_transport_security", text)

    def test_an_expired_certificate(self):
        address = self.serve(days=-1)
        text = self.asserts(UNREACHABLE, advctl("server", "info", self.ca,
                                                server=address))
        self.assertIn("must be valid today", text)

    def test_the_name_of_the_certificate(self):
        address = self.serve(san="DNS:gpu.example")
        text = self.asserts(UNREACHABLE, advctl("server", "info", self.ca,
                                                server=address))
        self.assertIn("--server-name", text)
        self.asserts(OK, advctl("server", "info", self.ca,
                                "--server-name=gpu.example", server=address))

    def test_several_addresses_have_one_name(self):
        address = self.serve().replace("localhost", "127.0.0.1")
        text = self.asserts(USAGE, advctl("server", "info", self.ca,
                                          server=f"{address},{address}"))
        self.assertIn("--server-name", text)
        self.asserts(OK, advctl("server", "info", self.ca,
                                "--server-name=localhost",
                                server=f"{address},{address}"))

    def test_mutual_tls(self):
        address = self.serve(client_ca=self.authority.certificate)
        certificate, key = self.authority.issue("me", "DNS:me")
        self.asserts(OK, advctl("server", "info", self.ca,
                                f"--certificate={certificate}", f"--key={key}",
                                server=address))
        text = self.asserts(UNREACHABLE, advctl("server", "info", self.ca,
                                                server=address))
        self.assertIn("--certificate", text)
        _, other = self.authority.issue("other", "DNS:other")
        text = self.asserts(USAGE, advctl(
            "server", "info", self.ca, f"--certificate={certificate}",
            f"--key={other}", server=address))
        self.assertIn("is not the key of the certificate", text)

    def test_a_server_that_speaks_otherwise(self):
        secure = self.serve()
        text = self.asserts(UNREACHABLE, advctl("server", "info",
                                                server=secure))
        self.assertIn("give --tls", text)
        plain = f"127.0.0.1:{start(self, None, self.notes)}"
        text = self.asserts(UNREACHABLE, advctl("server", "info", self.ca,
                                                server=plain))
        self.assertIn("speak no TLS", text)


class TokenTest(ContextTest):

    def options(self):
        return [self.ca, f"--token-file={self.token}"]

    def test_every_call_has_it(self):
        address = self.serve()
        for command in (["server", "info"], ["server", "ready"],
                        ["evaluate", "--model=m", "--no-compare"],
                        ["--balance=round_robin", "server", "info"]):
            advctl(*command, *self.options(), server=address)
        self.assertEqual(
            {(method, f"Bearer {TOKEN}") for method in
             ("GetServerInfo", "Check", "EvaluateRobustness", "Watch")},
            set(self.notes.calls))

    def test_refusals_are_not_repeated_and_say_what_to_do(self):
        address = self.serve()
        for code, advice in ((grpc.StatusCode.UNAUTHENTICATED, "--token-file"),
                             (grpc.StatusCode.PERMISSION_DENIED, "your role")):
            self.notes.code = code
            self.notes.calls.clear()
            text = self.asserts(REFUSED, advctl(
                "server", "info", *self.options(), server=address))
            self.assertIn(code.name, text)
            self.assertIn("because of the test", text)
            self.assertIn(advice, text)
            self.assertEqual(1, sum(self.notes.calls.values()))

    def test_without_tls_it_stays_on_this_machine(self):
        port = start(self, None, self.notes)
        option = f"--token-file={self.token}"
        for host in ("127.0.0.1", "localhost"):
            self.asserts(OK, advctl("server", "info", option,
                                    server=f"{host}:{port}"))
        self.assertEqual({("GetServerInfo", f"Bearer {TOKEN}"): 2},
                         self.notes.calls)
        text = self.asserts(USAGE, advctl("server", "info", option,
                                          server="gpu.example:1"))
        self.assertIn("only over TLS", text)

    def test_a_file_that_all_can_read_is_warned_of(self):
        os.chmod(self.token, 0o644)
        done = advctl("server", "info", *self.options(), server=self.serve())
        self.assertEqual(OK, done.returncode, done.stderr)
        self.assertIn("chmod 600", done.stderr)


class ChosenTest(ContextTest):

    def test_a_context_holds_all_that_it_takes(self):
        address = self.serve(client_ca=self.authority.certificate)
        certificate, key = self.authority.issue("me", "DNS:me")
        relative = os.path.basename
        self.asserts(OK, self.run_in(
            "context", "add", "lab", f"--server={address}",
            f"--ca={relative(self.authority.certificate)}",
            f"--certificate={relative(certificate)}", f"--key={relative(key)}",
            "--token-file=token"))
        self.asserts(OK, self.run_in("context", "use", "lab"))
        shown = self.asserts(OK, self.run_in("context", "show"))
        self.assertIn(os.path.join(self.folder, "token"), shown)
        self.assertNotIn(TOKEN, shown)
        self.assertIn("9.8.7", self.asserts(OK, self.run_in("server", "info")))
        self.assertEqual({("GetServerInfo", f"Bearer {TOKEN}"): 1},
                         self.notes.calls)

    def test_a_token_goes_to_no_address_given_by_hand(self):
        port = start(self, None, self.notes)
        address = f"127.0.0.1:{port}"
        self.asserts(OK, self.run_in("context", "add", "lab",
                                     f"--server={address}",
                                     "--token-file=token"))
        self.asserts(OK, self.run_in("context", "use", "lab"))
        by_hand = f"--server=localhost:{port}"
        self.asserts(OK, self.run_in("server", "info", by_hand))
        self.asserts(OK, self.run_in(
            "server", "info", by_hand, variables={"ADVCTL_CONTEXT": "lab"}))
        self.assertEqual({("GetServerInfo", None): 2}, self.notes.calls)
        self.asserts(OK, self.run_in("server", "info", by_hand,
                                     "--context=lab"))
        self.assertEqual(1, self.notes.calls["GetServerInfo",
                                             f"Bearer {TOKEN}"])


@needs_zoo
class PrivateServerTest(ContextTest):

    def test_it_takes_nothing_from_the_environment(self):
        wrong = {"ADV_WORKERS": "many", "ADV_FLAGFILE": "/no/such"}
        text = self.asserts(OK, self.run_in("--local", "models", "list",
                                            variables=wrong))
        self.assertIn("no-cat", text)
        done = subprocess.run([ADVSERVER], env={**environment(), **wrong},
                              stderr=subprocess.PIPE, text=True, check=False,
                              timeout=60)
        self.assertEqual(USAGE, done.returncode)
        self.assertIn("--flagfile: /no/such cannot be read", done.stderr)


@needs_zoo
class RealServerTest(ContextTest):

    def setUp(self):
        super().setUp()
        known = subprocess.run([ADVSERVER, "--help"], stdout=subprocess.PIPE,
                               text=True, check=True).stdout
        if "--tls-certificate" not in known:
            self.skipTest("this advserver has no TLS")

    def serve_real(self, *flags):
        certificate, key = self.authority.issue("server")
        return Server(self, f"--tls-certificate={certificate}",
                      f"--tls-key={key}", *flags).address

    def test_mutual_tls(self):
        address = self.serve_real(
            f"--tls-client-ca={self.authority.certificate}",
            "--tls-require-client-certificate")
        certificate, key = self.authority.issue("me", "DNS:me")
        self.asserts(OK, self.run_in(
            "context", "add", "real", f"--server={address}", self.ca,
            f"--certificate={certificate}", f"--key={key}"))
        text = self.asserts(OK, self.run_in("--context=real", "models", "list"))
        self.assertIn("no-cat", text)
        self.asserts(UNREACHABLE, advctl("models", "list", self.ca,
                                         server=address))

    def test_a_token_has_a_role(self):
        identities = os.path.join(self.folder, "identities.json")
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        with open(identities, "w", encoding="utf-8") as file:
            json.dump([{"name": "me", "role": "viewer",
                        "token_sha256": digest}], file)
        address = self.serve_real(f"--identities={identities}")
        known = [self.ca, f"--token-file={self.token}"]
        self.asserts(OK, advctl("models", "list", *known, server=address))
        text = self.asserts(REFUSED, advctl("models", "reload", *known,
                                            server=address))
        self.assertIn("PERMISSION_DENIED", text)
        text = self.asserts(REFUSED, advctl("models", "list", self.ca,
                                            server=address))
        self.assertIn("UNAUTHENTICATED", text)
        self.assertIn("--token-file", text)
        self.asserts(OK, advctl("server", "ready", "--wait=60", self.ca,
                                server=address))


if __name__ == "__main__":
    main()
