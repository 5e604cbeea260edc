"""Models behind endpoints of the Open Inference Protocol: a server that is not
ours, written here with grpcio, and a second advserver; both asked as oracles,
killed in the middle of an evaluation and brought back."""

import json
import os
import subprocess
import threading
import time
import unittest
from concurrent import futures

import grpc
import numpy

import wire
from harness import (ADVCTL, CLASSES, ZOO, Server, advctl, environment,
                     free_port, main, needs_programs, needs_zoo, stubs,
                     temporary_folder)

PROGRESS_SECONDS = 120


WEIGHTS = numpy.random.RandomState(1).randn(10, 3072).astype("f4")


def scores_of(pixels):
    """Class scores of float images, one by one: in a product of matrices an
    image's last bits depend on its neighbours."""
    return numpy.stack([WEIGHTS @ (row.reshape(-1) - numpy.float32(.5))
                        for row in pixels]).astype("<f4")


def write_data(test):
    """Images of noise, labelled as the oracle sees them."""
    folder = temporary_folder(test)
    images = numpy.random.RandomState(2).randint(
        256, size=(40, 3, 32, 32), dtype="uint8")
    labels = scores_of(images.astype("f4") / numpy.float32(255)).argmax(1)
    path = os.path.join(folder, "noise.npz")
    numpy.savez(path, images=images, labels=labels)
    with open(os.path.join(folder, "classes.txt"), "w",
              encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in CLASSES)
    return path


class Oracle:
    """A server of the protocol that is not ours, in numpy. Counts the images
    that it was sent."""

    def __init__(self, test, port=0, credentials=None, after=None,
                 datatype="FP32"):
        """`after`: called with the number of images so far, after each call."""
        pb = stubs.open_inference_pb2
        base = stubs.open_inference_pb2_grpc.GRPCInferenceServiceServicer
        oracle = self
        self.images = 0
        lock = threading.Lock()

        class Service(base):

            def ModelMetadata(self, request, context):
                if request.name != "weights":
                    context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
                tensor = pb.ModelMetadataResponse.TensorMetadata
                return pb.ModelMetadataResponse(
                    name="weights", versions=["1"], platform="numpy",
                    inputs=[tensor(name="pixels", datatype=datatype,
                                   shape=[-1, 3, 32, 32])],
                    outputs=[tensor(name="scores", datatype="FP32",
                                    shape=[-1, 10])])

            def ModelInfer(self, request, context):
                shape = list(request.inputs[0].shape)
                scores = scores_of(numpy.frombuffer(
                    request.raw_input_contents[0], "<f4").reshape(shape))
                with lock:
                    oracle.images += shape[0]
                    count = oracle.images
                if after:
                    after(count)
                output = pb.ModelInferResponse.InferOutputTensor(
                    name="scores", datatype="FP32", shape=[shape[0], 10])
                return pb.ModelInferResponse(
                    model_name="weights", model_version="1", outputs=[output],
                    raw_output_contents=[scores.tobytes()])

        self.server = grpc.server(
            futures.ThreadPoolExecutor(8),
            options=[("grpc.so_reuseport", 0),
                     ("grpc.max_receive_message_length", 2**28)])
        stubs.open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
            Service(), self.server)
        address = f"localhost:{port}"
        self.port = (self.server.add_secure_port(address, credentials)
                     if credentials else self.server.add_insecure_port(address))
        self.server.start()
        test.addCleanup(self.kill)

    def kill(self):
        self.server.stop(grace=0).wait()


def write_store(test, endpoint="lab", model="weights", **flags):
    """A store with one remote model, "oracle", made by advctl."""
    folder = temporary_folder(test)
    names = os.path.join(folder, "classes.txt")
    with open(names, "w", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in CLASSES)
    store = os.path.join(folder, "store")
    done = advctl("models", "import", f"--endpoint={endpoint}",
                  f"--endpoint-model={model}", "--name=oracle",
                  f"--store={store}", "--shape=3x32x32", f"--classes={names}",
                  *(f"--{flag.replace('_', '-')}={value}" if value is not True
                    else f"--{flag.replace('_', '-')}"
                    for flag, value in flags.items()))
    assert done.returncode == 0, done.stderr
    return store


def report_of(done):
    evaluation, = json.loads(done.stdout)["evaluations"]
    return evaluation["report"]


def records(server, evaluation):
    """The bytes of all records, by index."""
    pb = stubs.attack_evaluation_service_pb2
    with grpc.insecure_channel(server.address) as channel:
        page = wire.service(channel).ListEvaluationRecords(
            pb.ListEvaluationRecordsRequest(id=evaluation, page_size=1000),
            timeout=wire.CALL_SECONDS)
    return [r.SerializeToString(deterministic=True) for r in page.records]


class RemoteTest(unittest.TestCase):

    DATASET = "cifar10-sample"

    def start(self, store, port, *flags, scheme="grpc", **options):
        return Server(self, f"--store={store}",
                      f"--dataset=noise={write_data(self)}",
                      f"--endpoint=lab={scheme}://localhost:{port}", *flags,
                      **options)

    def evaluate(self, server, *flags, model="oracle"):
        return advctl("evaluate", f"--model={model}", "--no-compare",
                      "--output=json", "--samples=20", "--epsilon=1/255",
                      f"--dataset={self.DATASET}", *flags,
                      server=server.address)


class OracleTest(RemoteTest):
    """Against the server that is not ours."""

    DATASET = "noise"

    def test_attacks_that_need_no_gradients_count_what_they_send(self):
        oracle = Oracle(self)
        server = self.start(write_store(self), oracle.port)
        done = self.evaluate(server, "--attack=square:queries=30,noise,"
                             "hop_skip_jump:queries=60")
        self.assertEqual(0, done.returncode, done.stderr)
        report = report_of(done)
        sent = int(report["environment"]["queries_sent"])
        print(f"{sent} queries, {oracle.images} counted by the oracle")
        self.assertEqual(oracle.images, sent)
        self.assertGreater(sent, 20 * 90 / 2)
        self.assertTrue(report["environment"]["batch_dependent"])
        self.assertEqual(3, len(report["results"]))

    def test_gradients_are_refused_with_what_would_do(self):
        oracle = Oracle(self)
        server = self.start(write_store(self), oracle.port)
        before = oracle.images
        done = self.evaluate(server, "--attack=pgd")
        self.assertEqual(4, done.returncode, done.stdout)
        for word in ("gradients", "square", "hop-skip-jump"):
            self.assertIn(word, done.stderr)
        self.assertEqual(before, oracle.images)

    @needs_zoo
    def test_transfer_asks_for_verdicts_alone(self):
        oracle = Oracle(self)
        server = self.start(write_store(self), oracle.port)
        done = self.evaluate(server, "--attack=pgd:steps=3",
                             "--source-model=balanced")
        self.assertEqual(0, done.returncode, done.stderr)
        # The clean images, and what became of them.
        self.assertEqual(40, oracle.images)
        self.assertEqual(
            "40", report_of(done)["environment"]["queries_sent"])

    def test_decisions_alone_leave_decision_attacks(self):
        oracle = Oracle(self)
        server = self.start(write_store(self, decisions=True), oracle.port)
        done = self.evaluate(server, "--attack=square")
        self.assertEqual(4, done.returncode, done.stdout)
        self.assertIn("boundary", done.stderr)
        done = self.evaluate(server, "--attack=hop_skip_jump:queries=50")
        self.assertEqual(0, done.returncode, done.stderr)

    def test_killed_and_brought_back_it_goes_on_where_it_was(self):
        store = write_store(self, max_batch=8)
        flags = ("--attack=square:queries=60", "--tile-size=4")
        whole = Oracle(self)
        undisturbed = self.start(store, whole.port)
        expected = report_of(self.evaluate(undisturbed, *flags))

        crash = threading.Event()
        oracle = Oracle(self, after=lambda count: count > 700 and crash.set())
        # One call at once, so that some tiles have ended before the crash.
        server = self.start(store, oracle.port, "--endpoint-retries=2",
                            "--endpoint-requests=1")
        asked = futures.ThreadPoolExecutor(1).submit(
            self.evaluate, server, *flags)
        self.assertTrue(crash.wait(PROGRESS_SECONDS))
        oracle.kill()
        done = asked.result()
        self.assertNotEqual(0, done.returncode, done.stdout)
        print(done.stderr.strip())
        for words in ("endpoint lab does not answer", "resumes where it"):
            self.assertIn(words, done.stderr)
        listed = json.loads(advctl("evaluations", "list", "--output=json",
                                   server=server.address).stdout)
        evaluation, = listed["evaluations"]
        self.assertEqual("EVALUATION_STATE_FAILED", evaluation["state"])
        kept = int(evaluation.get("samples_done", 0))
        self.assertIn(kept, range(1, 20))

        again = Oracle(self, port=oracle.port)
        resumed = report_of(self.evaluate(server, *flags))
        self.assertEqual(expected["records_sha256"], resumed["records_sha256"])
        self.assertEqual(records(undisturbed, evaluation["id"]),
                         records(server, evaluation["id"]))
        sent = int(resumed["environment"]["queries_sent"])
        print(f"{kept} of 20 samples kept; {sent} queries in all, "
              f"{oracle.images} + {again.images} counted")
        # What was on its way when the oracle died it may not have counted.
        self.assertGreaterEqual(sent, oracle.images + again.images)
        self.assertLess(again.images, whole.images)

    def test_no_faster_than_allowed(self):
        oracle = Oracle(self)
        server = self.start(write_store(self), oracle.port,
                            "--max-queries-per-second=200")
        begun = time.monotonic()
        done = self.evaluate(server, "--attack=square:queries=30")
        seconds = time.monotonic() - begun
        self.assertEqual(0, done.returncode, done.stderr)
        sent = int(report_of(done)["environment"]["queries_sent"])
        print(f"{sent} queries in {seconds:.2f} s, 200 a second allowed")
        # The last call goes out when the time of those before it is over.
        self.assertGreater(seconds, (sent - 64) / 200)

    @needs_programs("openssl")
    def test_over_tls_alone_where_it_says_so(self):
        folder = temporary_folder(self)
        key, certificate = (os.path.join(folder, name)
                            for name in ("key.pem", "certificate.pem"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost", "-keyout", key, "-out",
             certificate], check=True, capture_output=True)
        with open(key, "rb") as file, open(certificate, "rb") as cert:
            chain = cert.read()
            credentials = grpc.ssl_server_credentials(
                [(file.read(), chain)], root_certificates=chain,
                require_client_auth=True)
        oracle = Oracle(self, credentials=credentials)
        store = write_store(self)
        server = self.start(store, oracle.port,
                            f"--endpoint-roots={certificate}",
                            f"--endpoint-certificate={certificate}",
                            f"--endpoint-key={key}", scheme="grpcs")
        done = self.evaluate(server, "--attack=noise")
        self.assertEqual(0, done.returncode, done.stderr)
        # Without the certificate, and in the clear, nothing is answered.
        for flags, scheme in (((f"--endpoint-roots={certificate}",), "grpcs"),
                              ((), "grpc")):
            stranger = self.start(store, oracle.port, *flags, scheme=scheme)
            done = self.evaluate(stranger, "--attack=noise")
            self.assertEqual(4, done.returncode, done.stdout)
            self.assertIn("endpoint lab", done.stderr)

    def test_a_model_that_does_not_fit_is_told_at_load(self):
        oracle = Oracle(self, datatype="UINT8")
        server = self.start(write_store(self), oracle.port)
        shown = advctl("models", "list", server=server.address)
        self.assertIn("UINT8", shown.stdout + shown.stderr)

    def test_an_endpoint_nobody_configured_is_no_host(self):
        server = Server(self, f"--store={write_store(self, 'elsewhere')}",
                        f"--dataset=noise={write_data(self)}")
        done = self.evaluate(server, "--attack=noise")
        self.assertEqual(4, done.returncode, done.stdout)
        self.assertIn("elsewhere", done.stderr)

    def test_what_comes_late_is_found(self):
        port = free_port()
        server = self.start(write_store(self), port, "--poll-seconds=1")
        done = self.evaluate(server, "--attack=noise")
        self.assertEqual(4, done.returncode, done.stdout)
        Oracle(self, port=port)
        end = time.monotonic() + PROGRESS_SECONDS
        while self.evaluate(server, "--attack=noise").returncode != 0:
            self.assertLess(time.monotonic(), end)


@needs_zoo
class SecondServerTest(RemoteTest):
    """Against another advserver."""

    def test_it_is_the_same_model(self):
        second = Server(self)
        server = self.start(write_store(self, model="no-cat"),
                            second.address.rpartition(":")[2])
        flags = ("--attack=square:queries=30,noise",)
        here = report_of(self.evaluate(server, *flags, model="no-cat"))
        there = report_of(self.evaluate(server, *flags))
        self.assertEqual(here["records_sha256"], there["records_sha256"])
        self.assertEqual("0", here["environment"]["queries_sent"])

    def test_killed_and_brought_back_it_goes_on_where_it_was(self):
        second = Server(self)
        store = write_store(self, model="no-cat", max_batch=4)
        server = self.start(store, second.address.rpartition(":")[2],
                            "--max-queries-per-second=300",
                            "--endpoint-retries=2")
        flags = ("--attack=square:queries=60", "--tile-size=4")
        asked = subprocess.Popen(
            [ADVCTL, f"--server={server.address}", "evaluate",
             "--model=oracle", "--no-compare", "--samples=20",
             "--epsilon=1/255", *flags],
            env=environment(), stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        self.await_samples(server)
        second.kill()
        _, errors = asked.communicate(timeout=PROGRESS_SECONDS)
        self.assertNotEqual(0, asked.returncode)
        self.assertIn("endpoint lab does not answer", errors)
        Server(self, listen=second.address)
        resumed = self.evaluate(server, *flags)
        self.assertEqual(0, resumed.returncode, resumed.stderr)
        local = self.evaluate(server, *flags, model="no-cat")
        self.assertEqual(report_of(local)["records_sha256"],
                         report_of(resumed)["records_sha256"])

    def await_samples(self, server):
        """Until the first tile is kept."""
        end = time.monotonic() + PROGRESS_SECONDS
        while True:
            listed = json.loads(advctl("evaluations", "list", "--output=json",
                                       server=server.address).stdout)
            if any(int(e.get("samples_done", 0)) > 0
                   for e in listed.get("evaluations", ())):
                return
            self.assertLess(time.monotonic(), end, "no progress")


if __name__ == "__main__":
    main()
