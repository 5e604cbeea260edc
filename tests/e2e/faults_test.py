"""A server whose disk, clock or peers fail: what fails is told, and the rest
goes on. (Damaged models and full disks: tests/model_store, tests/server,
bad_start_test.py, lifecycle_test.py; peers without a word:
tests/integration/operations_test.cc.)"""

import glob
import json
import os
import resource
import shutil
import socket
import threading
import unittest
from datetime import timedelta

import grpc

import wire
from harness import (BUILD, Server, main, needs_zoo, newest_version,
                     read_sample, stubs, temporary_folder)

DEADLINE = 120
FAILING_FILES = os.path.join(BUILD, "tests", "e2e", "libfailing_files.so")
FAKETIME = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [""])[0]


def specification(**fields):
    return stubs.evaluation_pb2.EvaluationSpec(**{
        "model": "no-cat", "samples": 200, "tile_size": 20,
        "epsilons": [wire.levels(2)],
        "attacks": [wire.attack("igsm", steps=5)], **fields})


def classify(service, images=2):
    _, sample = read_sample()
    reply = service.Classify(
        stubs.attack_evaluation_service_pb2.ClassifyRequest(
            model="balanced", images=wire.batch(sample[:images]), top_k=1,
            include_logits=True), timeout=DEADLINE)
    return wire.logits_of(reply.results)


class FaultsTest(unittest.TestCase):

    def connect(self, server):
        return wire.service(wire.connect(self, server.address))

    def assert_ends_well(self, server):
        server.terminate()
        self.assertEqual(0, server.wait())


@needs_zoo
class DiskTest(FaultsTest):

    def setUp(self):
        self.switch = os.path.join(temporary_folder(self), "switch")

    def server(self, *flags, **variables):
        return Server(self, *flags, variables={
            "LD_PRELOAD": FAILING_FILES, "ADV_IO_ERRORS": self.switch,
            **variables})

    def break_files(self, path):
        """Files whose path contains this fail from now on."""
        with open(self.switch + ".new", "w", encoding="utf-8") as file:
            file.write(path)
        os.rename(self.switch + ".new", self.switch)

    def test_reads_in_small_pieces_make_no_difference(self):
        short = self.server(ADV_SHORT_READS="777")
        service, whole = self.connect(short), self.connect(Server(self))
        self.assertTrue((classify(service) == classify(whole)).all())
        _, _, report = wire.evaluate(service, specification())
        _, _, same = wire.evaluate(whole, specification())
        self.assertEqual(same.records_sha256, report.records_sha256)
        self.assert_ends_well(short)

    def test_a_model_that_cannot_be_read_is_told_and_tried_again(self):
        store = os.path.join(temporary_folder(self), "store")
        folder, manifest = newest_version("no-cat")
        manifest["version"] = int(manifest["version"]) + 1
        newer = os.path.join(store, "no-cat", str(manifest["version"]))
        os.makedirs(os.path.dirname(newer))
        server = self.server(f"--store={store}", "--poll-seconds=3600")
        models = stubs.model_service_pb2_grpc.ModelServiceStub(
            wire.connect(self, server.address))
        request = stubs.model_service_pb2.ReloadModelsRequest()
        shutil.copytree(folder, newer)
        with open(os.path.join(newer, "manifest.json"), "w",
                  encoding="utf-8") as file:
            json.dump(manifest, file)
        self.break_files("weights.safetensors")
        (failed,) = models.ReloadModels(request, timeout=DEADLINE).failed
        self.assertEqual(("no-cat", manifest["version"]),
                         (failed.name, failed.version))
        self.assertIn("Input/output error", failed.error)
        self.assertEqual(2, len(classify(self.connect(server))))
        os.remove(self.switch)
        (loaded,) = models.ReloadModels(request, timeout=DEADLINE).loaded
        self.assertEqual(failed.version, loaded.version)
        self.assert_ends_well(server)

    def test_an_evaluation_that_cannot_be_stored_fails_and_resumes(self):
        server = self.server()
        service = self.connect(server)
        pb = stubs.attack_evaluation_service_pb2
        stream = service.EvaluateRobustness(pb.EvaluateRobustnessRequest(
            spec=specification(samples=0)), timeout=DEADLINE)
        evaluation = next(stream).evaluation
        self.break_files("evaluations.sqlite")
        with self.assertRaises(grpc.RpcError) as caught:
            list(stream)
        self.assertIn(caught.exception.code(), (
            grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED))
        self.assertIn("disk I/O error", caught.exception.details())
        # What needs no disk goes on.
        self.assertEqual(2, len(classify(service)))
        os.remove(self.switch)
        resumed, _, report = wire.evaluate(service, specification(samples=0))
        self.assertEqual(evaluation.id, resumed.id)
        _, _, whole = wire.evaluate(self.connect(Server(self)),
                                    specification(samples=0))
        self.assertEqual(whole.records_sha256, report.records_sha256)
        self.assert_ends_well(server)


@needs_zoo
@unittest.skipUnless(os.path.exists(FAKETIME), "libfaketime is not installed")
class ClockTest(FaultsTest):

    def jump(self, offset):
        with open(self.offset + ".new", "w", encoding="utf-8") as file:
            file.write(offset)
        os.rename(self.offset + ".new", self.offset)

    def test_a_clock_that_jumps_neither_ends_nor_holds_up_work(self):
        self.offset = os.path.join(temporary_folder(self), "offset")
        self.jump("+0")
        server = Server(self, variables={
            "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.offset,
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
        service = self.connect(server)
        pb = stubs.attack_evaluation_service_pb2
        started = []
        for seed, offset in enumerate(("+2d", "-3d", "+0")):
            stream = service.EvaluateRobustness(pb.EvaluateRobustnessRequest(
                spec=specification(seed=seed)), timeout=DEADLINE)
            first = next(stream).evaluation
            started.append(first.created_at.ToDatetime())
            self.jump(offset)
            self.assertEqual(2, len(classify(service)))
            last = list(stream)[-1]
            self.assertEqual("report", last.WhichOneof("event"))
        # The clock did jump.
        self.assertGreater(started[1] - started[0], timedelta(days=1))
        self.assertLess(started[2] - started[1], timedelta(days=-4))
        listed = service.ListEvaluations(pb.ListEvaluationsRequest(),
                                         timeout=DEADLINE).evaluations
        self.assertEqual(3, len(listed))
        self.assert_ends_well(server)


class Relay:
    """Passes bytes between clients and a server, as long as it may."""

    def __init__(self, test, address):
        host, port = address.rsplit(":", 1)
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.flows = threading.Event()
        self.flows.set()
        self._sockets = [self._listener]
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        test.addCleanup(self._close)

    def _accept(self):
        try:
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                for source, to, stops in ((client, server, False),
                                          (server, client, True)):
                    threading.Thread(target=self._pump, daemon=True,
                                     args=(source, to, stops)).start()
        except OSError:
            pass  # closed

    def _pump(self, source, to, stops):
        try:
            while True:
                if stops:
                    self.flows.wait()
                piece = source.recv(4096)
                if not piece:
                    return
                to.sendall(piece)
        except OSError:
            pass  # closed

    def _close(self):
        self.flows.set()
        for each in self._sockets:
            each.close()


@needs_zoo
class PeersTest(FaultsTest):

    def test_a_reader_that_stalls_holds_up_nobody_and_misses_nothing(self):
        server = Server(self)
        relay = Relay(self, server.address)
        slow = wire.service(wire.connect(self, relay.address))
        service = self.connect(server)
        self.assertEqual(2, len(classify(slow)))
        relay.flows.clear()
        _, images = read_sample()
        pb = stubs.attack_evaluation_service_pb2
        request = pb.GenerateAdversarialRequest(
            model="balanced", images=wire.batch(images[:256]),
            attack=wire.attack("fgsm"), epsilon=wire.levels(2))
        stalled = [slow.GenerateAdversarial.future(request, timeout=DEADLINE)
                   for _ in range(4)]
        evaluation = slow.EvaluateRobustness(pb.EvaluateRobustnessRequest(
            spec=specification()), timeout=DEADLINE)
        # The evaluation comes to its end for one who reads.
        _, _, report = wire.evaluate(service, specification())
        self.assertEqual(2, len(classify(service)))
        self.assertFalse(any(call.done() for call in stalled))
        relay.flows.set()
        for call in stalled:
            self.assertEqual(256, len(call.result().results))
        self.assertEqual(report.records_sha256,
                         list(evaluation)[-1].report.records_sha256)
        self.assert_ends_well(server)

    def test_five_thousand_idle_connections_are_no_burden(self):
        count = 5000
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most < 2 * count:
            self.skipTest(f"only {most} files may be open")
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        server = Server(self, f"--max-connections={2 * count}")
        service = self.connect(server)
        host, port = server.address.rsplit(":", 1)
        # What a client of HTTP/2 says first: it wants nothing special.
        hello = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                 b"\0\0\0\x04\0\0\0\0\0")
        idle = []
        for _ in range(count):
            connection = socket.create_connection((host, int(port)), DEADLINE)
            self.addCleanup(connection.close)
            connection.sendall(hello)
            idle.append(connection)
        # Each is a connection to the server: it answered with its settings.
        for connection in idle:
            self.assertEqual(b"\x04", connection.recv(9)[3:4])
        self.assertEqual(2, len(classify(service)))
        with grpc.insecure_channel(server.address) as channel:
            self.assertEqual(2, len(classify(wire.service(channel))))
        self.assertNotIn("connections_full", server.log())
        self.assert_ends_well(server)


if __name__ == "__main__":
    main()
