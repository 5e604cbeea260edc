"""A server that is asked for three times what it can do goes on doing it: the
others learn at once when to come back, and health checks are answered."""

import statistics
import threading
import time
import unittest
import urllib.request

import grpc

import wire
from harness import Server, free_port, main, needs_zoo, stubs
from load import Load

DEADLINE = 3
# So many calls end within the deadline when none is refused: enough for a queue
# whose length can be foretold, however slow the machine is.
CALLS = 24
MOST_IMAGES = 128
SECONDS = 8
PAIRS = 3
# With fewer cores for the server most of its time goes into what calls cost
# beside the work; a pair then says nothing, and another one is tried.
LEAST_CORES = .5
MOST_PAIRS = 6
# Of what it answers without overload, for each second of its processor: that
# others use the same cores makes no difference then. In seconds of the clock it
# may, so there only a collapse is an error.
GOODPUT = .9
NO_COLLAPSE = .5
# Below the patience of any prober; typical values are printed.
HEALTH_SECONDS = 1


def metric(port, name, labels):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                timeout=60) as page:
        for line in page.read().decode().splitlines():
            if line.startswith(f"{name}{{{labels}}} "):
                return float(line.rsplit(" ", 1)[1])
    raise AssertionError(f"no {name}{{{labels}}}")


class Watch:
    """Asks health and the queue over and over while it is entered. The answers
    cost the server time, so all that is compared must be watched."""

    def __init__(self, test, address, port):
        self._health = stubs.health_pb2_grpc.HealthStub(
            wire.connect(test, address))
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.latencies = []
        self.costs = []

    def _run(self):
        while not self._stop.wait(.2):
            start = time.monotonic()
            self._health.Check(stubs.health_pb2.HealthCheckRequest(),
                               timeout=60)
            self.latencies.append(time.monotonic() - start)
            self.costs.append(metric(self._port, "adv_queue_cost",
                                     'lane="interactive"'))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def text(self):
        ordered = sorted(self.latencies)
        return (f"health median {statistics.median(ordered) * 1e3:.0f} ms, "
                f"99 of 100 {ordered[len(ordered) * 99 // 100] * 1e3:.0f} ms, "
                f"most {ordered[-1] * 1e3:.0f} ms; queue at most "
                f"{max(self.costs):.0f}")


@needs_zoo
class OverloadTest(unittest.TestCase):

    def setUp(self):
        self.port = free_port()

    def server(self, *flags):
        return Server(self, *flags, metrics=f"127.0.0.1:{self.port}")

    def images_a_call(self, server):
        """As this machine is fast now."""
        capacity = Load(self, server, 16, DEADLINE).closed(8, 3).per_second
        return max(1, min(MOST_IMAGES, int(capacity * DEADLINE / CALLS)))

    def check_refusals(self, ended):
        refused = sum(ended.values()) - ended[grpc.StatusCode.OK, False]
        self.assertGreater(refused, 0, "no overload")
        # A call that passes its deadline is ended by its client, not refused.
        passed = ended[grpc.StatusCode.DEADLINE_EXCEEDED, False]
        told = (ended[grpc.StatusCode.DEADLINE_EXCEEDED, True] +
                ended[grpc.StatusCode.RESOURCE_EXHAUSTED, True])
        self.assertEqual(refused, passed + told, ended)
        self.assertGreater(told, 0, ended)
        return passed

    def test_three_times_capacity_leaves_capacity(self):
        server = self.server()
        load = Load(self, server, self.images_a_call(server), DEADLINE)
        by_cpu, by_clock, late, calls = [], [], 0, 0
        with Watch(self, server.address, self.port):
            before = load.closed(8, SECONDS)
        for _ in range(MOST_PAIRS):
            with Watch(self, server.address, self.port) as watch:
                over = load.open(3 * before.per_second, SECONDS)
            with Watch(self, server.address, self.port):
                after = load.closed(8, SECONDS)
            cores = min(part.cores for part in (before, over, after))
            ratios = [2 * getattr(over, part) /
                      (getattr(before, part) + getattr(after, part))
                      for part in ("per_second", "per_cpu_second")]
            print(f"{before.per_second:.0f} images/s, under three times as "
                  f"many calls {over.per_second:.0f}, {after.per_second:.0f} "
                  f"after ({ratios[0]:.2f}; {ratios[1]:.2f} for each second of "
                  f"the processor, at least {cores:.1f} cores); "
                  f"{watch.text()}", flush=True)
            if cores >= LEAST_CORES:
                by_clock.append(ratios[0])
                by_cpu.append(ratios[1])
                self.assertLess(statistics.median(watch.latencies), .1)
                self.assertLess(max(watch.latencies), HEALTH_SECONDS)
            late += self.check_refusals(over.ended)
            calls += sum(over.ended.values())
            self.assertLessEqual(max(watch.costs), metric(
                self.port, "adv_queue_cost_limit", 'lane="interactive"'))
            before = after
            if len(by_cpu) == PAIRS:
                break
        if len(by_cpu) < PAIRS:
            self.skipTest("others use the cores")
        self.assertGreaterEqual(statistics.median(by_cpu), GOODPUT)
        self.assertGreaterEqual(statistics.median(by_clock), NO_COLLAPSE)
        # Nearly all learn before their deadline that there will be no answer.
        self.assertLess(late, calls / 10)

    def test_a_full_queue_says_when_to_come_back_and_never_overflows(self):
        images = 32
        limit = 4 * images
        server = self.server(f"--max-queued-cost={4 * limit}")
        self.assertEqual(limit, metric(self.port, "adv_queue_cost_limit",
                                       'lane="interactive"'))
        load = Load(self, server, images, deadline=60)
        capacity = load.closed(8, 2).per_second
        with Watch(self, server.address, self.port) as watch:
            ended = load.open(3 * capacity, SECONDS).ended
        print(f"{dict(ended)}; {watch.text()}")
        self.assertGreater(
            ended[grpc.StatusCode.RESOURCE_EXHAUSTED, True], 0)
        self.assertEqual(0, self.check_refusals(ended))
        self.assertLessEqual(max(watch.costs), limit)


if __name__ == "__main__":
    main()
