"""Whether the server's memory stays bounded while it computes batches of many
shapes: a soak, and the same soak with the bound switched off. One model is
ours; the other is the same network as a TorchScript module, since LibTorch asks
the system for new memory at each call."""

import os
import re
import unittest

import torch

import reference
import wire
from harness import (BUILD, Server, advctl, main, needs_zoo, newest_version,
                     stubs, temporary_folder)

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


class Traced(torch.nn.Module):
    """The model `balanced`, as someone else would write it."""

    def __init__(self):
        super().__init__()
        folder, _ = newest_version("balanced")
        self.network = reference.Table51(reference.read_safetensors(
            os.path.join(folder, "weights.safetensors")))

    def forward(self, x):
        return self.network(x)


@needs_zoo
class MemoryTest(unittest.TestCase):

    def growth(self, model, *flags, **options):
        """By evaluations of one model in tiles of many sizes, in bytes."""
        server = Server(self, "--workers=2", *flags, **options)
        service = wire.service(wire.connect(self, server.address))
        first = None
        for seed, size in enumerate(TILES):
            spec = stubs.evaluation_pb2.EvaluationSpec(
                model=model, dataset="cifar10-sample", samples=SAMPLES,
                tile_size=size, seed=seed, epsilons=[wire.levels(4)],
                attacks=[wire.attack("fgsm")])
            wire.evaluate(service, spec)
            first = first or resident(server)
        grown = resident(server) - first
        print(f"{model} {options}: {first // MEBIBYTE} MiB, "
              f"{grown // MEBIBYTE:+} MiB later")
        server.terminate()
        self.assertEqual(0, server.wait())
        return grown

    def traced(self):
        """The flags of a server that has the TorchScript module `traced`."""
        folder = temporary_folder(self)
        module, classes, store = (
            os.path.join(folder, n) for n in ("traced.pt", "classes", "store"))
        with torch.no_grad():
            torch.jit.trace(Traced(), torch.zeros(2, 3, 32, 32)).save(module)
        with open(classes, "w", encoding="utf-8") as file:
            file.write("\n".join(newest_version("balanced")[1]["class_names"]))
        done = advctl("models", "import", module, f"--store={store}",
                      "--shape=3x32x32", f"--classes={classes}")
        self.assertEqual(0, done.returncode, done.stderr)
        return f"--store={store}", "--allow-code-models"

    def test_many_shapes_of_batches_take_no_more_memory_than_one(self):
        self.assertLess(self.growth("balanced"), BOUND)

    def test_nor_with_a_torchscript_module(self):
        self.assertLess(self.growth("traced", *self.traced()), BOUND)

    def test_without_the_bound_they_would(self):
        self.assertGreater(
            self.growth("traced", *self.traced(), variables=UNBOUNDED), BOUND)


if __name__ == "__main__":
    main()
