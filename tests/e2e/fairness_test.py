"""Callers who wait for an image are answered beside work that would take all
cores for minutes, and beside others who ask for more than the server can do."""

import json
import os
import statistics
import threading
import time
import unittest
import urllib.request

import grpc

import wire
from callers import bearer, entry
from harness import (Server, free_port, main, needs_zoo, stubs,
                     temporary_folder)
from load import METHOD, channels, cpu_seconds, request_bytes

PAIRS = 3
SECONDS = 4
TILE = 128  # images that an attack of an evaluation takes at once
# What the calls may take from the evaluation's share of the processor. They
# cost some hundredths; the rest is room for what else runs here.
LEAST_BULK = .75
FLOOD_CALLERS = 48
FLOOD_IMAGES = 16
QUEUED_COST = 2048  # a quarter of it for calls


def pass_images(port):
    """Images that went through networks so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                timeout=60) as page:
        for line in page.read().decode().splitlines():
            if line.startswith("adv_pass_images_total "):
                return float(line.split()[1])
    raise AssertionError("no adv_pass_images_total")


def share(seconds, part):
    ordered = sorted(seconds)
    return ordered[int(len(ordered) * part)]


def text(seconds):
    return (f"median {statistics.median(seconds) * 1e3:.1f} ms, 99 of 100 "
            f"{share(seconds, .99) * 1e3:.1f} ms, {len(seconds)} calls")


class Window:
    """What the evaluation got done, for each second of the clock and of the
    server's processor, while it is entered."""

    def __init__(self, server, port):
        self._server, self._port = server, port
        self.calls = []  # seconds of each; an image each

    def _now(self):
        return (pass_images(self._port), time.monotonic(),
                cpu_seconds(self._server))

    def __enter__(self):
        self._start = self._now()
        return self

    def __exit__(self, *_):
        images, clock, cpu = (after - before for after, before in
                              zip(self._now(), self._start))
        images -= len(self.calls)
        self.cores = cpu / clock
        self.per_second, self.per_cpu_second = images / clock, images / cpu


@needs_zoo
class FairnessTest(unittest.TestCase):

    def ask(self, method, seconds):
        """One image after the other: how long each took."""
        request, took = request_bytes(1), []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.monotonic()
            method(request, timeout=wire.CALL_SECONDS)
            took.append(time.monotonic() - start)
        return took

    def start_evaluation(self, address):
        """One that outlasts the test."""
        spec = stubs.evaluation_pb2.EvaluationSpec(
            model="balanced", attacks=[wire.attack("pgd", steps=1000)],
            epsilons=[wire.levels(8)], tile_size=TILE)
        stream = wire.service(wire.connect(self, address)).EvaluateRobustness(
            stubs.attack_evaluation_service_pb2.EvaluateRobustnessRequest(
                spec=spec, cancel_on_disconnect=True))
        self.addCleanup(stream.cancel)
        self.assertEqual("evaluation", next(stream).WhichOneof("event"))

    def test_one_image_does_not_wait_for_an_evaluation(self):
        port = free_port()
        server = Server(self, metrics=f"127.0.0.1:{port}")
        method = channels(self, server.address, 1)[0].unary_unary(METHOD)
        self.ask(method, 1)
        print(f"\nidle: {text(self.ask(method, SECONDS))}", flush=True)
        self.start_evaluation(server.address)
        begun = pass_images(port)
        while pass_images(port) < begun + 10 * TILE:
            time.sleep(.05)
        alone, beside = [], []
        for _ in range(PAIRS):
            with Window(server, port) as window:
                time.sleep(SECONDS)
            alone.append(window)
            with Window(server, port) as window:
                window.calls = self.ask(method, SECONDS)
            beside.append(window)
            print("evaluation: " + ", ".join(
                f"{w.per_second:.0f} images/s ({w.per_cpu_second:.0f} for "
                f"each second of the processor, {w.cores:.2f} cores)"
                for w in (alone[-1], window)) + f"; {text(window.calls)}",
                  flush=True)
        calls = [took for window in beside for took in window.calls]
        bulk = statistics.median(
            b.per_cpu_second / a.per_cpu_second
            for a, b in zip(alone, beside))
        # Of all images of a tile, on one of the server's cores as it has them
        # now: what a call would wait for if passes were not cut.
        cores = len(os.sched_getaffinity(server.process.pid))
        whole = TILE * cores / statistics.median(b.per_second for b in beside)
        print(f"beside it: {text(calls)}; a pass of {TILE} images takes "
              f"{whole * 1e3:.0f} ms; the evaluation keeps {bulk:.1%}")
        self.assertLess(statistics.median(calls), whole / 2)
        self.assertLess(share(calls, .9), whole)
        self.assertGreater(bulk, LEAST_BULK)

    def test_a_flood_holds_up_its_own_identity(self):
        path = os.path.join(temporary_folder(self), "identities.json")
        tokens = {"flood": "adv_flood", "calm": "adv_calm"}
        with open(path, "w", encoding="utf-8") as file:
            json.dump([entry(name, "evaluator", token)
                       for name, token in tokens.items()], file)
        server = Server(self, f"--identities={path}",
                        f"--max-queued-cost={QUEUED_COST}")
        stop, took, refused = threading.Event(), [], []
        request = request_bytes(FLOOD_IMAGES)

        def flood(method):
            while not stop.is_set():
                start = time.monotonic()
                try:
                    method(request, timeout=wire.CALL_SECONDS,
                           metadata=bearer(tokens["flood"]))
                    took.append(time.monotonic() - start)
                except grpc.RpcError as error:
                    refused.append(error.code())
                    stop.wait(.05)  # as the server asks, at least

        threads = [threading.Thread(
            target=flood, args=(channel.unary_unary(METHOD),))
                   for channel in channels(self, server.address, 8)
                   for _ in range(FLOOD_CALLERS // 8)]
        for thread in threads:
            thread.start()
        try:
            while not refused or len(took) < 2 * FLOOD_CALLERS:
                time.sleep(.05)
            del took[:]
            plain = channels(self, server.address, 1)[0].unary_unary(METHOD)

            def calm(request, **options):
                plain(request, metadata=bearer(tokens["calm"]), **options)
            calls = self.ask(calm, 2 * SECONDS)  # none is refused
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        print(f"\nflood of {FLOOD_IMAGES} images a call: {text(took)}, "
              f"{len(refused)} refused; the other: {text(calls)}")
        self.assertEqual({grpc.StatusCode.RESOURCE_EXHAUSTED}, set(refused))
        self.assertLess(statistics.median(calls),
                        statistics.median(took) / 2)


if __name__ == "__main__":
    main()
