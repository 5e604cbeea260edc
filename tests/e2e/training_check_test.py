"""Fifty training steps beside a second implementation in PyTorch's Python.

RMSProp divides a gradient by its own size, so that the rounding of the smallest
ones moves weights as far as the largest do: two float32 runs, or a float32 and
a float64 one, are strangers after fifty steps. Each step is therefore checked
by itself, from the weights that the engine had before it.
"""

import os
import subprocess
import tempfile
import unittest

import torch
import torch.nn.functional as F

import harness
import reference

IMAGES, STEPS = 8, 50
# As in training_trace.cc; RMSProp in Keras's form of 2017.
RATE, DECAY, RHO, EPSILON = 1e-4, 0.1, 0.9, 1e-8
# Of float32 against float64.
LOSS_TOLERANCE = 1e-5
STEP_TOLERANCE = 0.05


def loss_and_gradients(parameters, images, labels):
    leaves = {name: p.clone().requires_grad_(True)
              for name, p in parameters.items()}
    loss = F.cross_entropy(reference.Table51(leaves, torch.float64)(images),
                           labels)
    names = sorted(leaves)
    gradients = torch.autograd.grad(loss, [leaves[name] for name in names])
    return loss.item(), dict(zip(names, gradients))


class TrainingCheckTest(unittest.TestCase):

    def start(self, folder):
        process = subprocess.Popen(
            [os.path.join(harness.BUILD, "tests", "e2e", "training_trace"),
             harness.SAMPLE, str(IMAGES), str(STEPS), folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        return process

    def test_fifty_steps_agree(self):
        folder = tempfile.TemporaryDirectory(prefix="training_check_")
        self.addCleanup(folder.cleanup)
        process = self.start(folder.name)

        def engine():
            """(loss of the last step, weights after it)"""
            loss = float(process.stdout.readline())
            weights = reference.read_safetensors(
                os.path.join(folder.name, "weights.safetensors"))
            process.stdin.write("\n")
            process.stdin.flush()
            return loss, {name: w.double() for name, w in weights.items()}

        labels, images = harness.read_sample()
        labels = torch.from_numpy(labels[:IMAGES])
        images = torch.from_numpy(images[:IMAGES]).double() / 255
        _, before = engine()
        squares = {name: torch.zeros_like(p) for name, p in before.items()}
        worst, losses = 0, []
        for step in range(STEPS):
            expected, gradients = loss_and_gradients(before, images, labels)
            loss, after = engine()
            self.assertAlmostEqual(loss / expected, 1, delta=LOSS_TOLERANCE)
            losses.append(loss)
            rate = RATE / (1 + DECAY * step)
            for name, g in gradients.items():
                squares[name] = RHO * squares[name] + (1 - RHO) * g * g
                wanted = -rate * g / (squares[name].sqrt() + EPSILON)
                off = (after[name] - before[name] - wanted).norm()
                off = (off / wanted.norm()).item()
                self.assertLess(off, STEP_TOLERANCE, f"{name} at step {step}")
                worst = max(worst, off)
            before = after
        self.assertLess(losses[-1], losses[0])
        print(f"worst step off by {worst:.2g} of its length; "
              f"loss {losses[0]:.4f} to {losses[-1]:.4f}")


if __name__ == "__main__":
    unittest.main()
