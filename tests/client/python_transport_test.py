"""How the Python package's two clients make calls, against a fake server:
the same methods, errors, repetitions, deadlines and ends of streams."""

import asyncio
import dataclasses
import inspect
import os
import pickle
import shutil
import tempfile
import threading
import time
import unittest
from concurrent import futures

import python_package

python_package.import_from_wheel()

import grpc
import numpy

import adv_client
from adv_client import calls
from adv_client.public import error_details_pb2, status_pb2
from adv_client.v1 import (attack_evaluation_service_pb2 as service_pb2,
                           attack_evaluation_service_pb2_grpc as service_grpc,
                           evaluation_pb2, model_service_pb2,
                           server_service_pb2)

SECONDS = 30
PUSHBACK_SECONDS = .3
# More than gRPC keeps by default of a request that it may have to repeat.
LARGE = numpy.zeros((200, 32, 32, 3), numpy.uint8)


def refuse(context, code, message, *details, pushback=None):
    """Ends the call as the server does."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add(
            type_url=f"type.googleapis.com/google.rpc.{detail.DESCRIPTOR.name}",
            value=detail.SerializeToString())
    trailers = [("grpc-status-details-bin", status.SerializeToString()),
                ("x-request-id", "r-7")]
    if pushback is not None:
        trailers.append(("grpc-retry-pushback-ms", str(int(pushback * 1000))))
    context.set_trailing_metadata(trailers)
    context.abort(code, message)


def queue_full(context):
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.nanos = int(PUSHBACK_SECONDS * 1e9)
    refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "much waits",
           error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain="adv",
                                       metadata={"lane": "interactive"}),
           retry, pushback=PUSHBACK_SECONDS)


class Fake(service_grpc.AttackEvaluationServiceServicer):

    def __init__(self):
        self.times = []    # of the calls
        self.tokens = []   # of the calls
        self.denied = None
        self.refusals = 0  # calls that are refused first
        self.left = threading.Event()

    def count(self, context):
        self.times.append(time.monotonic())
        self.tokens += [value for key, value in context.invocation_metadata()
                        if key == "authorization"]
        if self.denied:
            refuse(context, self.denied, "not you")
        if len(self.times) <= self.refusals:
            queue_full(context)

    def Classify(self, request, context):
        self.count(context)
        return service_pb2.ClassifyResponse()

    def DeleteEvaluation(self, request, context):
        self.count(context)
        return service_pb2.DeleteEvaluationResponse()

    def CancelEvaluation(self, request, context):
        self.times.append(time.monotonic())
        refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "the disk is full",
               error_details_pb2.ErrorInfo(reason="STORAGE_FULL"),
               pushback=-1)

    def GetEvaluation(self, request, context):
        refuse(context, grpc.StatusCode.NOT_FOUND, "no such evaluation",
               error_details_pb2.ErrorInfo(reason="EVALUATION_NOT_FOUND"),
               error_details_pb2.ResourceInfo(resource_type="evaluation",
                                              resource_name=request.id))

    def GenerateAdversarial(self, request, context):
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(field="labels[1]", description="0 to 9")
        bad.field_violations.add(field="epsilon", description="0 to 1")
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "two faults",
               error_details_pb2.ErrorInfo(reason="INVALID_REQUEST"), bad)

    def EvaluateRobustness(self, request, context):
        context.add_callback(self.left.set)
        self.count(context)
        yield service_pb2.EvaluateRobustnessResponse(
            evaluation=evaluation_pb2.Evaluation(id="ab" * 32))
        for done in range(1, 3):
            yield service_pb2.EvaluateRobustnessResponse(
                progress=evaluation_pb2.EvaluationProgress(samples_done=done))
        if request.spec.model == "endless":
            self.left.wait(SECONDS)
        yield service_pb2.EvaluateRobustnessResponse(
            report=evaluation_pb2.EvaluationReport(records_sha256="cd"))

    def ListEvaluations(self, request, context):
        first = int(request.page_token or 0)
        response = service_pb2.ListEvaluationsResponse(
            next_page_token="2" if first == 0 else "")
        for i in range(first, first + 2):
            response.evaluations.add(id=str(i))
        return response


def serve(test, fake, credentials=None):
    """The port of a server that ends with the test."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    service_grpc.add_AttackEvaluationServiceServicer_to_server(fake, server)
    port = (server.add_secure_port("127.0.0.1:0", credentials) if credentials
            else server.add_insecure_port("127.0.0.1:0"))
    server.start()
    test.addCleanup(server.stop, None)
    return port


def blocking(address, method, *arguments, connect=None, **named):
    """A call of Client; what it yields as a list."""
    with adv_client.connect(address, **(connect or {})) as client:
        got = getattr(client, method)(*arguments, **named)
        return list(got) if inspect.isgenerator(got) else got


def awaited(address, method, *arguments, connect=None, **named):
    """The same call of AsyncClient."""
    async def ask():
        async with adv_client.connect_async(
                address, **(connect or {})) as client:
            got = getattr(client, method)(*arguments, **named)
            if inspect.isasyncgen(got):
                return [item async for item in got]
            return await got
    return asyncio.run(ask())


class TransportTest(unittest.TestCase):

    def cases(self):
        """A fresh fake with each client's way to call it."""
        for ask in (blocking, awaited):
            fake = Fake()
            address = f"127.0.0.1:{serve(self, fake)}"
            with self.subTest(client=ask.__name__):
                yield fake, lambda *a, ask=ask, **n: ask(address, *a, **n)

    def failure(self, kind, ask, *arguments, **named):
        with self.assertRaises(kind) as caught:
            ask(*arguments, **named)
        return caught.exception

    def test_a_refused_call_is_repeated_when_the_server_says(self):
        for method, arguments in (("classify", (LARGE,)),
                                  ("evaluate", ("no-cat",))):
            for fake, ask in self.cases():
                fake.refusals = 2
                ask(method, *arguments)
                self.assertEqual(3, len(fake.times), method)
                for before, after in zip(fake.times, fake.times[1:]):
                    self.assertGreaterEqual(after - before,
                                            .9 * PUSHBACK_SECONDS)

    def test_the_last_refusal_is_told(self):
        for fake, ask in self.cases():
            fake.refusals = 9
            error = self.failure(adv_client.ResourceExhausted, ask, "classify",
                                 LARGE, connect={"attempts": 2})
            self.assertEqual(2, len(fake.times))
            self.assertEqual("QUEUE_FULL", error.reason)
            self.assertEqual({"lane": "interactive"}, error.metadata)
            self.assertAlmostEqual(PUSHBACK_SECONDS, error.retry_after)
            self.assertEqual("r-7", error.request_id)
            self.assertEqual("RESOURCE_EXHAUSTED: much waits", str(error))

    def test_what_must_not_be_repeated_is_made_once(self):
        for method, argument, connect in (
                ("delete_evaluation", "ab" * 32, {}),
                ("classify", LARGE, {"attempts": 1})):
            for fake, ask in self.cases():
                fake.refusals = 1
                self.failure(adv_client.ResourceExhausted, ask, method,
                             argument, connect=connect)
                self.assertEqual(1, len(fake.times), method)

    def test_what_would_be_in_vain_is_not_repeated(self):
        for fake, ask in self.cases():
            error = self.failure(adv_client.ResourceExhausted, ask,
                                 "cancel_evaluation", "ab" * 32)
            self.assertEqual("STORAGE_FULL", error.reason)
            self.assertIsNone(error.retry_after)
            self.assertEqual(1, len(fake.times))

    def test_errors_say_what_is_wrong(self):
        for _, ask in self.cases():
            error = self.failure(adv_client.InvalidArgument, ask,
                                 "generate_adversarial", LARGE[:2])
            self.assertEqual((("labels[1]", "0 to 9"), ("epsilon", "0 to 1")),
                             error.violations)
            self.assertEqual("labels[1]", error.violations[0].field)
            self.assertIsInstance(error, grpc.RpcError)
            error = self.failure(adv_client.NotFound, ask, "get_evaluation",
                                 "abcdef")
            self.assertEqual("EVALUATION_NOT_FOUND", error.reason)
            self.assertEqual(("evaluation", "abcdef"), error.resource)
            self.assertIsNone(error.retry_after)
            error = self.failure(adv_client.AdvError, ask, "list_models")
            self.assertEqual(grpc.StatusCode.UNIMPLEMENTED, error.status)
            self.assertEqual("", error.reason)

    def test_errors_and_messages_reach_other_processes(self):
        for _, ask in self.cases():
            error = self.failure(adv_client.NotFound, ask, "get_evaluation",
                                 "x")
            other = pickle.loads(pickle.dumps(error))
            self.assertIs(adv_client.NotFound, type(other))
            self.assertEqual((str(error), error.reason, error.resource),
                             (str(other), other.reason, other.resource))
            done = ask("evaluate", "no-cat")
            self.assertEqual(done, pickle.loads(pickle.dumps(done)))

    def test_without_a_server_the_address_is_named(self):
        for ask in (blocking, awaited):
            error = self.failure(adv_client.Unavailable, ask, "127.0.0.1:1",
                                 "list_models", connect={"attempts": 1})
            self.assertIn("127.0.0.1:1", str(error))

    def test_a_deadline_ends_calls_and_streams(self):
        for fake, ask in self.cases():
            began = time.monotonic()
            self.failure(adv_client.DeadlineExceeded, ask, "evaluate",
                         "endless", timeout=.5)
            self.assertLess(time.monotonic() - began, 10)
            self.assertTrue(fake.left.wait(SECONDS))

    def test_events_come_in_order(self):
        for _, ask in self.cases():
            seen = []
            events = ask("watch", "no-cat", progress=seen.append)
            self.assertEqual([1, 2], [p.samples_done for p in seen])
            self.assertEqual([None, seen[0], seen[1], None],
                             [event.progress for event in events])
            last = events[-1].evaluation
            self.assertEqual(("ab" * 32, "cd"),
                             (last.id, last.report.records_sha256))
            self.assertEqual(last, ask("evaluate", "no-cat"))

    def test_pages_are_one_list(self):
        for _, ask in self.cases():
            self.assertEqual(["0", "1", "2", "3"],
                             [e.id for e in ask("list_evaluations")])

    def test_leaving_a_stream_ends_the_call(self):
        fake = Fake()
        address = f"127.0.0.1:{serve(self, fake)}"
        with adv_client.connect(address) as client:
            for event in client.watch("endless"):
                if event.progress:
                    break
            self.assertTrue(fake.left.wait(SECONDS))

        async def cancel():
            async with adv_client.connect_async(address) as client:
                started = asyncio.Event()
                task = asyncio.create_task(client.evaluate(
                    "endless", progress=lambda _: started.set()))
                await asyncio.wait_for(started.wait(), SECONDS)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                await asyncio.to_thread(fake.left.wait, SECONDS)

        fake.left.clear()
        asyncio.run(cancel())
        self.assertTrue(fake.left.is_set())

    def self_signed(self):
        """Paths of a key and a certificate for localhost, and their bytes."""
        folder = tempfile.mkdtemp(prefix="adv-tls-")
        self.addCleanup(shutil.rmtree, folder)
        key, certificate = (os.path.join(folder, n) for n in ("key", "pem"))
        python_package.run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", key, "-out", certificate)
        with open(key, "rb") as one, open(certificate, "rb") as other:
            return (key, certificate), (one.read(), other.read())

    def test_files_make_it_mutual_tls(self):
        (key, certificate), pair = self.self_signed()
        port = serve(self, Fake(), grpc.ssl_server_credentials(
            [pair], root_certificates=pair[1], require_client_auth=True))
        tls = adv_client.Tls(ca=certificate, certificate=certificate, key=key)
        for ask in (blocking, awaited):
            ask(f"localhost:{port}", "classify", LARGE, connect={"tls": tls})
            named = dataclasses.replace(tls, server_name="localhost")
            ask(f"127.0.0.1:{port}", "classify", LARGE, connect={"tls": named})
            for less in (True, adv_client.Tls(ca=certificate), tls):
                host = "127.0.0.1" if less is tls else "localhost"
                self.failure(adv_client.Unavailable, ask, f"{host}:{port}",
                             "classify", LARGE,
                             connect={"tls": less, "attempts": 1})

    def test_a_token_goes_with_every_call(self):
        for fake, ask in self.cases():
            for method in ("classify", "watch"):
                ask(method, LARGE[:1] if method == "classify" else "no-cat",
                    connect={"token": "secret"})
            self.assertEqual(["Bearer secret"] * 2, fake.tokens)

    def test_who_is_not_let_in_is_told_once(self):
        for fake, ask in self.cases():
            for code, kind in (
                    (grpc.StatusCode.UNAUTHENTICATED,
                     adv_client.Unauthenticated),
                    (grpc.StatusCode.PERMISSION_DENIED,
                     adv_client.PermissionDenied)):
                fake.times.clear()
                fake.denied = code
                self.failure(kind, ask, "classify", LARGE)
                self.assertEqual(1, len(fake.times))

    def test_what_is_wrong_with_tls_and_tokens_is_said_at_once(self):
        for wrong, message in (
                ({"token": "secret"}, "only over TLS"),
                ({"token": "", "tls": True}, "one word"),
                ({"token": "two words", "tls": True}, "one word"),
                ({"token": "secret\n", "tls": True}, "one word"),
                ({"tls": adv_client.Tls(key="a")}, "give both"),
                ({"tls": True, "credentials": grpc.ssl_channel_credentials()},
                 "exclude each other")):
            for connect in (adv_client.connect, adv_client.connect_async):
                with self.assertRaisesRegex(ValueError, message):
                    connect("gpu-1:50051", **wrong)
        for here in ("localhost:1", "127.0.0.1:1", "[::1]:1", "unix:/a"):
            adv_client.connect(here, token="secret").close()

    def test_credentials_make_it_tls(self):
        _, pair = self.self_signed()
        port = serve(self, Fake(), grpc.ssl_server_credentials([pair]))
        ours = grpc.ssl_channel_credentials(pair[1])
        for ask in (blocking, awaited):
            ask(f"localhost:{port}", "classify", LARGE,
                connect={"credentials": ours})
            self.failure(adv_client.Unavailable, ask, f"localhost:{port}",
                         "classify", LARGE, connect={"attempts": 1})


class CompletenessTest(unittest.TestCase):

    @staticmethod
    def methods(kind):
        """{name: parameters} of a class's public methods."""
        return {name: str(inspect.signature(method).replace(
                    return_annotation=inspect.Signature.empty))
                for name, method in inspect.getmembers(kind, callable)
                if not name.startswith("_")}

    def test_both_clients_have_the_same_methods(self):
        self.assertEqual(self.methods(adv_client.Client),
                         self.methods(adv_client.AsyncClient))

    def test_every_call_of_the_api_has_a_method_with_a_text(self):
        names = {"EvaluateRobustness": "evaluate"}
        for file in (service_pb2, model_service_pb2, server_service_pb2):
            for service in file.DESCRIPTOR.services_by_name.values():
                for call in service.methods:
                    name = names.get(call.name) or "".join(
                        f"_{c.lower()}" if c.isupper() else c
                        for c in call.name).lstrip("_")
                    method = getattr(adv_client.Client, name)
                    self.assertTrue(method.__doc__, name)
                    parameters = inspect.signature(method).parameters
                    self.assertEqual("self", next(iter(parameters)))
                    self.assertIn("timeout", parameters)

    def test_every_field_of_a_request_can_be_given(self):
        settings = dict(source_model="balanced", seed=1, norm="l2", target=3,
                        success="any_iterate", precision="fast",
                        eight_bit=True)
        evaluate = calls.evaluate(
            "no-cat", dataset="d", samples=1, tile_size=1,
            cancel_on_disconnect=True, expected_id="i", **settings).request
        given = {}
        for message in (
                calls.classify(LARGE, include_logits=True).request,
                calls.generate_adversarial(LARGE[:1], labels=1,
                                           sample_indices=[1],
                                           **settings).request,
                calls.generate_adversarial(dataset="d", indices=[1]).request,
                evaluate, evaluate.spec,
                calls.list_evaluations("m", 1, "t").request,
                calls.list_evaluation_records("i", 1, "t").request):
            given.setdefault(message.DESCRIPTOR, set()).update(
                field.name for field, _ in message.ListFields())
        for kind, names in given.items():
            self.assertEqual({field.name for field in kind.fields}, names,
                             kind.name)


if __name__ == "__main__":
    unittest.main()
