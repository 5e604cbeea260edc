"""The other side of `./dev bench peers`: torchattacks and the original
AutoAttack in the best form that a Python user would give them.

Run by peers.py with both packages in PYTHONPATH. Reads lines "ATTACK IMAGES
BATCH EPSILON" and answers each with the seconds, the images that are right when
clean, and those that are still right.
"""

import os
import sys
import time

import torch
import torchattacks
from autoattack import AutoAttack

import reference
from harness import newest_version, read_sample

BATCH = 128


class Eager(torch.nn.Module):
    """The model `balanced`, its weights channels-last."""

    def __init__(self):
        super().__init__()
        folder, _ = newest_version("balanced")
        parameters = reference.read_safetensors(
            os.path.join(folder, "weights.safetensors"))
        self._compute = reference.Table51(
            {name: value.contiguous(memory_format=torch.channels_last)
             if value.dim() == 4 else value
             for name, value in parameters.items()})

    def forward(self, x):
        return self._compute(x)


class Adapter(torch.nn.Module):
    """The packages ask a model for a parameter, to learn its device; a frozen
    module has none."""

    def __init__(self, compute):
        super().__init__()
        self._compute = [compute]
        self.place = torch.nn.Parameter(torch.zeros(1), requires_grad=False)

    def forward(self, x):
        return self._compute[0](x)


def seconds(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def best_form(images, labels):
    """Whichever form computes gradients faster: eager, or a frozen TorchScript
    module."""
    eager = Eager().eval()
    with torch.no_grad():
        frozen = torch.jit.freeze(torch.jit.trace(eager, images).eval())
    forms = {"eager": Adapter(eager).eval(), "frozen": Adapter(frozen).eval()}

    def time_of(form):
        attack = torchattacks.PGD(form, eps=8 / 255, alpha=2 / 255, steps=3)
        attack(images, labels)
        return min(seconds(lambda: attack(images, labels))[0]
                   for _ in range(3))

    times = {name: time_of(form) for name, form in forms.items()}
    print("the peer's network, seconds for 3 steps:", times, file=sys.stderr)
    return forms[min(times, key=times.get)]


def right(model, images, labels):
    with torch.no_grad():
        return torch.cat([model(x).argmax(1) == y
                          for x, y in zip(images, labels)])


def run(model, images, labels, batch, attack):
    """As an evaluation does: clean verdicts, attack, verdicts."""
    images, labels = images.split(batch), labels.split(batch)
    clean = right(model, images, labels)
    adversarial = [attack(x, y) for x, y in zip(images, labels)]
    robust = clean & right(model, adversarial, labels)
    return clean.sum().item(), robust.sum().item()


def main():
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    labels, images = read_sample()
    labels = torch.from_numpy(labels)
    images = (torch.from_numpy(images).float() / 255).contiguous(
        memory_format=torch.channels_last)
    model = best_form(images[:BATCH], labels[:BATCH])
    for line in sys.stdin:
        kind, count, batch, epsilon = line.split()
        count, batch, epsilon = int(count), int(batch), float(epsilon)
        x, y = images[:count], labels[:count]
        attacks = {
            "fgsm": lambda: torchattacks.FGSM(model, eps=epsilon),
            "igsm": lambda: torchattacks.BIM(
                model, eps=epsilon, alpha=1 / 255, steps=10),
            "pgd": lambda: torchattacks.PGD(
                model, eps=epsilon, alpha=epsilon / 4, steps=40),
        }
        if kind == "auto_attack":
            x = x.contiguous()  # all that it takes
            attack = AutoAttack(model, norm="Linf", eps=epsilon, seed=1,
                                verbose=False, device="cpu")
            took, found = seconds(lambda: run(
                model, x, y, batch,
                lambda a, b: attack.run_standard_evaluation(a, b, bs=batch)))
        else:
            attack = attacks[kind]()
            took, found = seconds(lambda: run(model, x, y, batch, attack))
        print(took, *found, flush=True)


if __name__ == "__main__":
    main()
