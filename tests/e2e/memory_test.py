"""Whether the server's memory stays bounded while it computes batches of many
shapes: a soak, and the same soak with the bound switched off."""

import os
import re
import unittest

import wire
from harness import BUILD, Server, main, needs_zoo, stubs

MEBIBYTE = 2**20
SAMPLES = 300
TILES = range(7, 64, 7)
BOUND = 150 * MEBIBYTE
# A malloc_trim that does nothing.
UNBOUNDED = {"LD_PRELOAD": os.path.join(BUILD, "tests", "e2e",
                                        "libkeep_memory.so")}


def resident(server):
    with open(f"/proc/{server.process.pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) * 1024


@needs_zoo
class MemoryTest(unittest.TestCase):

    def growth(self, **options):
        """By evaluations of one model in tiles of many sizes, in bytes."""
        server = Server(self, "--workers=2", **options)
        service = wire.service(wire.connect(self, server.address))
        first = None
        for seed, size in enumerate(TILES):
            spec = stubs.evaluation_pb2.EvaluationSpec(
                model="balanced", samples=SAMPLES, tile_size=size, seed=seed,
                epsilons=[wire.levels(4)], attacks=[wire.attack("fgsm")])
            wire.evaluate(service, spec)
            first = first or resident(server)
        grown = resident(server) - first
        print(f"{options}: {first // MEBIBYTE} MiB, "
              f"{grown // MEBIBYTE:+} MiB later")
        server.terminate()
        self.assertEqual(0, server.wait())
        return grown

    def test_many_shapes_of_batches_take_no_more_memory_than_one(self):
        self.assertLess(self.growth(), BOUND)

    def test_without_the_bound_they_would(self):
        self.assertGreater(self.growth(variables=UNBOUNDED), BOUND)


if __name__ == "__main__":
    main()
