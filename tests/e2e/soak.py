"""A mixed load on a real server for as long as one likes, and what the server
holds whenever it rests. `./dev soak` runs this as a program; soak_test.py runs
it for a minute, and on servers that leak.

The load comes in rounds. After each all connections are closed and all
evaluations deleted, so what the server still holds, it keeps for good.
"""

import argparse
import collections
import itertools
import os
import random
import re
import socket
import statistics
import sys
import threading
import time
import unittest

import grpc
import numpy

import wire
from harness import Server, read_sample, stubs

MODELS = ("balanced", "no-cat")
ATTACKS = (("fgsm", {}), ("igsm", {"steps": 3}), ("noise", {}))
# Of memory, descriptors and threads: what the last rounds may hold more than
# those after the warm-up. The memory that malloc keeps differs by some
# megabytes from round to round; gRPC starts and ends some of its threads.
BOUNDS = {"memory": 64 * 2**20, "descriptors": 4, "threads": 6}
SETTLE_SECONDS = 10
MEBIBYTE = 2**20


def holdings(server):
    """What the process holds now, by the names of BOUNDS."""
    process = f"/proc/{server.process.pid}"
    with open(f"{process}/status", encoding="utf-8") as file:
        status = file.read()
    return {
        "memory": int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024,
        "descriptors": len(os.listdir(f"{process}/fd")),
        "threads": int(re.search(r"Threads:\s+(\d+)", status)[1])}


def at_rest(server):
    """What it holds once it has noticed that all connections are closed."""
    least = holdings(server)
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        time.sleep(.5)
        now = holdings(server)
        if now["descriptors"] >= least["descriptors"]:
            return now
        least = now
    return least


def grown(rounds):
    """How much more the last quarter of the rounds holds than the second."""
    quarter = len(rounds) // 4
    early, late = rounds[quarter:2 * quarter], rounds[-quarter:]
    return {name: statistics.median(r[name] for r in late) -
                  statistics.median(r[name] for r in early)
            for name in BOUNDS}


def leaks(rounds):
    """{name: growth} of what grows beyond its bound."""
    return {name: growth for name, growth in grown(rounds).items()
            if growth > BOUNDS[name]}


class Load:
    """What callers do, each kind on a thread and a connection of its own. A
    call that does not end as it should fails the round."""

    def __init__(self, server):
        self._address = server.address
        self._random = random.Random(1)
        self._seeds = itertools.count()
        _, self._images = read_sample()
        self.done = collections.Counter()

    def round(self, seconds):
        """All kinds of calls side by side for so long."""
        kinds = (self.classify, self.generate, self.evaluate, self.mistake,
                 self.reload, self.connect)
        end = time.monotonic() + seconds
        failures = []

        def repeat(kind):
            try:
                with grpc.insecure_channel(self._address, options=[
                        ("grpc.use_local_subchannel_pool", 1)]) as channel:
                    while True:
                        kind(channel)
                        self.done[kind.__name__] += 1
                        if time.monotonic() >= end:
                            return
            except Exception as error:  # of any kind: it fails the round
                failures.append((kind.__name__, error))
        threads = [threading.Thread(target=repeat, args=(kind,))
                   for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise AssertionError(failures)

    def _batch(self, most):
        count = self._random.randint(1, most)
        first = self._random.randrange(len(self._images) - count)
        images = self._images[first:first + count]
        if self._random.random() < .3:
            images = images.astype(numpy.float32) / 255
        return wire.batch(images, self._random.choice(("NCHW", "NHWC")))

    def classify(self, channel):
        wire.service(channel).Classify(
            stubs.attack_evaluation_service_pb2.ClassifyRequest(
                model=self._random.choice(MODELS), images=self._batch(64),
                top_k=3), timeout=wire.CALL_SECONDS)

    def generate(self, channel):
        name, parameters = self._random.choice(ATTACKS)
        wire.service(channel).GenerateAdversarial(
            stubs.attack_evaluation_service_pb2.GenerateAdversarialRequest(
                model=self._random.choice(MODELS), images=self._batch(16),
                attack=wire.attack(name, **parameters),
                epsilon=wire.levels(4)), timeout=wire.CALL_SECONDS)

    def evaluate(self, channel):
        """An evaluation that ends, is cancelled, or loses its caller. None is
        left."""
        pb = stubs.attack_evaluation_service_pb2
        service = wire.service(channel)
        fate = self._random.choice(("ends", "cancelled", "left"))
        stream = service.EvaluateRobustness(pb.EvaluateRobustnessRequest(
            cancel_on_disconnect=fate == "left",
            spec=stubs.evaluation_pb2.EvaluationSpec(
                model=self._random.choice(MODELS), samples=48, tile_size=16,
                seed=next(self._seeds), epsilons=[wire.levels(2)],
                attacks=[wire.attack("igsm", steps=3)])),
            timeout=wire.CALL_SECONDS)
        evaluation = next(stream).evaluation.id
        if fate == "cancelled":
            service.CancelEvaluation(pb.CancelEvaluationRequest(id=evaluation),
                                     timeout=wire.CALL_SECONDS)
        if fate == "left":
            stream.cancel()
        else:
            try:
                collections.deque(stream, maxlen=0)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.ABORTED:
                    raise
        self._delete(service, evaluation)

    @staticmethod
    def _delete(service, evaluation):
        """Deletes it once it does not run any more."""
        pb = stubs.attack_evaluation_service_pb2
        end = time.monotonic() + wire.CALL_SECONDS
        while True:
            try:
                service.DeleteEvaluation(
                    pb.DeleteEvaluationRequest(id=evaluation),
                    timeout=wire.CALL_SECONDS)
                return
            except grpc.RpcError as error:
                if (error.code() not in (grpc.StatusCode.FAILED_PRECONDITION,
                                         grpc.StatusCode.ABORTED)
                        or time.monotonic() > end):
                    raise
                time.sleep(.02)

    def mistake(self, channel):
        """A request that is refused."""
        pb = stubs.attack_evaluation_service_pb2
        method = channel.unary_unary(
            "/adv.v1.AttackEvaluationService/Classify")
        batch = self._batch(4)
        request = self._random.choice((
            b"\xff no message",
            pb.ClassifyRequest(model="unknown",
                               images=batch).SerializeToString(),
            pb.ClassifyRequest(model="balanced").SerializeToString(),
            pb.ClassifyRequest(model="balanced", images=batch,
                               top_k=1000).SerializeToString()))
        try:
            method(request, timeout=wire.CALL_SECONDS)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.INVALID_ARGUMENT,
                                grpc.StatusCode.NOT_FOUND):
                return
            raise
        raise AssertionError("a wrong request was answered")

    def reload(self, channel):
        stubs.model_service_pb2_grpc.ModelServiceStub(channel).ReloadModels(
            stubs.model_service_pb2.ReloadModelsRequest(),
            timeout=wire.CALL_SECONDS)
        time.sleep(.1)

    def connect(self, _):
        """Connections of gRPC and others, with and without a word."""
        with grpc.insecure_channel(self._address, options=[
                ("grpc.use_local_subchannel_pool", 1)]) as channel:
            stubs.health_pb2_grpc.HealthStub(channel).Check(
                stubs.health_pb2.HealthCheckRequest(),
                timeout=wire.CALL_SECONDS)
        host, port = self._address.rsplit(":", 1)
        for text in (b"", b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n"):
            with socket.create_connection((host, int(port)), 60) as plain:
                plain.sendall(text)


def soak(server, seconds, round_seconds, say=print):
    """What the server holds after each round."""
    load = Load(server)
    rounds = []
    start = time.monotonic()
    while time.monotonic() < start + seconds or len(rounds) < 4:
        load.round(round_seconds)
        rounds.append(at_rest(server))
        now = rounds[-1]
        say(f"{time.monotonic() - start:.0f} s: "
            f"{now['memory'] / MEBIBYTE:.0f} MiB, "
            f"{now['descriptors']} descriptors, {now['threads']} threads; "
            f"{dict(load.done)}", flush=True)
    return rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=int, default=3600)
    seconds = parser.parse_args().seconds
    case = unittest.TestCase()
    try:
        server = Server(case)
        # A hundred rounds, but none shorter than some evaluations.
        rounds = soak(server, seconds, round_seconds=max(2, seconds / 100))
        server.terminate()
        ended = server.wait()
    finally:
        case.doCleanups()
    found = leaks(rounds)
    print(f"grown since the warm-up: {grown(rounds)}; bounds: {BOUNDS}")
    if found or ended != 0:
        sys.exit(f"soak: FAILED: leaks {found}, exit code {ended}")
    print("soak: passed")


if __name__ == "__main__":
    main()
