"""Several servers over one PostgreSQL: how much faster two and three are than
one, each pinned to a core, and what the queue costs and carries."""

import itertools
import os
import subprocess
import time

import paired

SAMPLES = 1000
STEPS = 20
# A tile of the queue's bench: a batch under two attacks at four epsilons.
IMAGES, RESULTS = 128, 8


class Replicas:
    """`count` servers with a database of their own, the core of each the next
    of this machine's."""

    def __init__(self, scope, database, count):
        import wire
        from harness import Server, stubs
        self._wire, self._stubs = wire, stubs
        self._seeds = itertools.count(1)
        url = database.new_database(f"replicas{count}")
        all_cores = os.sched_getaffinity(0)
        servers = []
        for core in itertools.islice(itertools.cycle(sorted(all_cores)), count):
            # The server inherits it, and sees one core.
            os.sched_setaffinity(0, {core})
            servers.append(Server(scope, state=url))
            os.sched_setaffinity(0, all_cores)
        self._service = wire.service(wire.connect(scope, servers[0].address))

    def evaluate(self):
        """Seconds of an evaluation; each time another seed, so that nothing is
        remembered."""
        spec = self._stubs.evaluation_pb2.EvaluationSpec(
            model="balanced", samples=SAMPLES, seed=next(self._seeds),
            attacks=[self._wire.attack("pgd", steps=STEPS)],
            epsilons=[self._wire.levels(2)])
        start = time.perf_counter()
        self._wire.evaluate(self._service, spec)
        return time.perf_counter() - start


def bench_queue(build, database, servers, tiles):
    """Of one evaluation without attacks, by so many servers at once."""
    load = os.path.join(build, "tests", "bench", "bench_tile_queue_load")
    seconds, record_bytes = map(float, subprocess.run(
        [load, database.url, str(servers), str(tiles), str(IMAGES),
         str(RESULTS)], check=True, stdout=subprocess.PIPE,
        text=True).stdout.split())
    print(f"\nqueue, {servers} servers: {tiles / seconds:.0f} tiles of {IMAGES} "
          f"images and {RESULTS} results a second, "
          f"{seconds / tiles * 1000:.2f} ms each, "
          f"records of {record_bytes:.0f} bytes")
    return {"title": f"queue, {servers} servers", "tiles": tiles,
            "images": IMAGES, "results": RESULTS, "seconds": seconds,
            "record_bytes": record_bytes}


def bench(build, pairs, report, scope):
    from postgres import Postgres
    database = Postgres(scope)
    results = [bench_queue(build, database, 1, 300),
               bench_queue(build, database, 64, 3000)]
    one = Replicas(scope, database, 1)
    for count in (2, 3):
        several = Replicas(scope, database, count)
        results.append(report(
            f"PGD-{STEPS} on {SAMPLES} images: {count} servers beside 1, "
            f"on {len(os.sched_getaffinity(0))} cores",
            paired.compare(several.evaluate, one.evaluate, pairs),
            images=SAMPLES))
    return results
