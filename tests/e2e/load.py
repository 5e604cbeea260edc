"""Callers that ask for classes of images, as many and as often as a test wants,
and what becomes of their calls."""

import collections
import os
import threading
import time

import grpc

import wire
from harness import read_sample, stubs

METHOD = "/adv.v1.AttackEvaluationService/Classify"
PUSHBACK = "grpc-retry-pushback-ms"
# Calls of one connection share its window; so many callers have several.
CONNECTIONS = 8


def request_bytes(images, model="balanced"):
    """A ClassifyRequest on the wire: callers spend no time on making it."""
    _, sample = read_sample()
    return stubs.attack_evaluation_service_pb2.ClassifyRequest(
        model=model, images=wire.batch(sample[:images]),
        top_k=1).SerializeToString()


def channels(test, address, count=CONNECTIONS):
    """Connections of their own, closed when the test ends."""
    made = [grpc.insecure_channel(
        address, options=[("grpc.use_local_subchannel_pool", 1)])
            for _ in range(count)]
    for channel in made:
        test.addCleanup(channel.close)
    return made


# Images answered in a second of the clock, and in one of the server's
# processor, which depends less on who else computes; how many cores the server
# had; {(code, has pushback): calls}.
Outcome = collections.namedtuple("Outcome",
                                 "per_second per_cpu_second cores ended")


def cpu_seconds(server):
    """That the process has used so far."""
    with open(f"/proc/{server.process.pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Load:
    """Calls with the same images and the same seconds to answer."""

    def __init__(self, test, server, images, deadline):
        self._server = server
        self._methods = [channel.unary_unary(METHOD)
                         for channel in channels(test, server.address)]
        self._bytes = request_bytes(images)
        self._images = images
        self._deadline = deadline

    def closed(self, callers, seconds):
        """Callers that ask again as soon as they have an answer."""
        answered = []
        cpu, start = cpu_seconds(self._server), time.monotonic()

        def ask(method):
            while time.monotonic() < start + seconds:
                method(self._bytes, timeout=60)
                answered.append(self._images)
        threads = [threading.Thread(
            target=ask, args=(self._methods[i % CONNECTIONS],))
                   for i in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        images = sum(answered)
        clock = time.monotonic() - start
        cpu = cpu_seconds(self._server) - cpu
        return Outcome(images / clock, images / cpu, cpu / clock,
                       {(grpc.StatusCode.OK, False): len(answered)})

    def open(self, images_per_second, seconds):
        """Calls that come at this rate whatever becomes of them."""
        ended, answered = collections.Counter(), []
        all_ended = threading.Semaphore(0)

        def end(call):
            pushback = PUSHBACK in dict(call.trailing_metadata() or ())
            ended[call.code(), pushback] += 1
            if call.code() == grpc.StatusCode.OK:
                answered.append(time.monotonic())
            all_ended.release()
        cpu, start = cpu_seconds(self._server), time.monotonic()
        calls = int(seconds * images_per_second / self._images)
        for i in range(calls):
            due = start + i * self._images / images_per_second
            time.sleep(max(0, due - time.monotonic()))
            self._methods[i % CONNECTIONS].future(
                self._bytes, timeout=self._deadline).add_done_callback(end)
        stop = time.monotonic()
        for _ in range(calls):
            all_ended.acquire()
        cpu = cpu_seconds(self._server) - cpu
        in_time = sum(moment <= stop for moment in answered)
        return Outcome(in_time * self._images / (stop - start),
                       len(answered) * self._images / cpu,
                       cpu / (time.monotonic() - start), ended)
