"""The network of table 5.1, the loss L and the gradient-sign attacks, written
a second time in PyTorch's Python from the thesis and the papers; nothing here
comes from the engine. Weights are read by a reader of its own.
"""

import json
import struct

import numpy
import torch
import torch.nn.functional as F


def read_safetensors(path):
    """{name: float32 tensor}: 8 bytes of length, a JSON header, the bytes."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    kinds = {"F16": numpy.dtype("<f2"), "F32": numpy.dtype("<f4")}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(content[8 + length + begin:8 + length + end],
                                  dtype=kinds[entry["dtype"]])
        tensors[name] = torch.from_numpy(
            values.astype(numpy.float32).reshape(entry["shape"]))
    return tensors


class Table51:
    """Blocks 2 and 3 have one ReLU, after their third convolution."""

    BLOCKS = [[("conv1", True), ("conv2", True)],
              [("conv3", False), ("conv4", False), ("conv5", True)],
              [("conv6", False), ("conv7", False), ("conv8", True)]]

    def __init__(self, parameters, kind=torch.float32):
        self._of = {name: p.to(kind) for name, p in parameters.items()}

    def __call__(self, x):
        for block in self.BLOCKS:
            for name, relu in block:
                x = F.conv2d(x, self._of[name + ".weight"],
                             self._of[name + ".bias"], padding=1)
                if relu:
                    x = F.relu(x)
            x = F.max_pool2d(x, 2)
        x = torch.flatten(x, 1)
        x = F.relu(F.linear(x, self._of["dense1.weight"],
                            self._of["dense1.bias"]))
        return F.linear(x, self._of["dense2.weight"], self._of["dense2.bias"])


def attack_loss(logits, labels):
    """L = logsumexp over j != y of z_j, less z_y; per image."""
    chosen = F.one_hot(labels, logits.shape[1]).bool()
    others = logits.masked_fill(chosen, -float("inf"))
    return torch.logsumexp(others, 1) - logits[chosen]


def gradient(network, x, labels):
    x = x.clone().requires_grad_(True)
    (result,) = torch.autograd.grad(
        attack_loss(network(x), labels).sum(), x)
    return result


def settled_signs(network, x, label, size, tries=32):
    """Where the sign of the gradient at one image stays the same when its
    pixels move by normal noise of this size: [1, 3, 32, 32] bool.

    Elsewhere some ReLU or maximum stands within rounding of its kink, where
    the gradient jumps; which side a sum falls on is not determined."""
    signs = gradient(network, x, label).sign()
    settled = torch.ones_like(signs, dtype=torch.bool)
    noise = torch.Generator().manual_seed(0)
    for _ in range(tries):
        moved = x + size * torch.randn(x.shape, generator=noise,
                                       dtype=x.dtype)
        settled &= gradient(network, moved, label).sign() == signs
    return settled


def igsm(network, x, labels, epsilon, step, steps):
    """x_{n+1} = clip to the ball around x and to the box."""
    adversarial = x
    for _ in range(steps):
        adversarial = adversarial + step * gradient(
            network, adversarial, labels).sign()
        adversarial = torch.max(torch.min(adversarial, x + epsilon),
                                x - epsilon).clamp(0, 1)
    return adversarial
