"""`./dev gpu bench`: a served evaluation on a GPU beside Python's libraries.

Each arm attacks the same 1,000 images with the same weights, from images on the
host to verdicts on the host: ours as `advctl evaluate` against a running
advserver, the others (torchattacks, foolbox; what is not there is left out) in
this process in the best form a user of theirs would give them: channels-last,
cudnn.benchmark, with and without TF32. Rounds go through all arms forward, then
backward, and so on. What is printed beside the seconds are robust accuracies,
since a faster attack that is weaker is not faster.
"""

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from torch import nn

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
ZOO = os.path.join(ROOT, "model_store", "zoo")
ADDRESS = "127.0.0.1:50199"
EPSILON, STEPS = 8 / 255, 40
GRADIENT_GFLOP = .2342  # of one image, forward and input gradient


class Network(nn.Module):
    """Table 5.1 of the thesis, with weights that the project ships."""

    CHANNELS = [(3, 32), (32, 32), (32, 64), (64, 64), (64, 64), (64, 128),
                (128, 128), (128, 128)]
    POOLED = {2, 5, 8}  # a ReLU and a pooling after these convolutions

    def __init__(self):
        super().__init__()
        layers = []
        for i, (before, after) in enumerate(self.CHANNELS, 1):
            layers.append((f"conv{i}", nn.Conv2d(before, after, 3, padding=1)))
            if i == 1 or i in self.POOLED:
                layers.append((f"relu{i}", nn.ReLU()))
            if i in self.POOLED:
                layers.append((f"pool{i}", nn.MaxPool2d(2)))
        layers += [("flatten", nn.Flatten()), ("dense1", nn.Linear(2048, 512)),
                   ("relu", nn.ReLU()), ("dense2", nn.Linear(512, 10))]
        for name, layer in layers:
            self.add_module(name, layer)
        self.load_state_dict(read_weights())

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x


def read_weights():
    path = os.path.join(ZOO, "balanced", "2", "weights.safetensors")
    with open(path, "rb") as file:
        data = file.read()
    length, = struct.unpack("<Q", data[:8])
    weights = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + at for at in entry["data_offsets"])
        values = numpy.frombuffer(data[begin:end], {
            "F16": numpy.float16, "F32": numpy.float32}[entry["dtype"]])
        weights[name] = torch.tensor(values.reshape(entry["shape"])).float()
    return weights


def read_sample():
    records = numpy.fromfile(os.path.join(ZOO, "cifar10-sample.bin"),
                             numpy.uint8).reshape(-1, 3073)
    pixels = torch.tensor(records[:, 1:].reshape(-1, 3, 32, 32)).float() / 255
    return pixels, torch.tensor(records[:, 0]).long()


class Served:
    """advserver on the GPU; a context manager."""

    def __init__(self, log):
        self._log, self._seed = log, int(time.time()) % 100000 * 100

    def __enter__(self):
        self._process = subprocess.Popen(
            ["advserver", f"--listen={ADDRESS}", "--metrics-listen=off",
             "--state=:memory:", f"--store={ZOO}", "--device=cuda"],
            stdout=self._log, stderr=self._log)
        end = time.monotonic() + 60
        while subprocess.run(["advctl", f"--server={ADDRESS}", "server",
                              "info"], capture_output=True).returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                raise SystemExit("advserver does not start; see its log")
            time.sleep(.2)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()

    def run(self, attack, epsilon, batch, samples=1000):
        """Seconds of the whole command, and the robust accuracy in %."""
        self._seed += 1  # else the server returns what it found before
        start = time.perf_counter()
        done = subprocess.run(
            ["advctl", f"--server={ADDRESS}", "--output=json", "evaluate",
             "--model=balanced", f"--attack={attack}", f"--epsilon={epsilon}",
             f"--tile-size={batch}", f"--seed={self._seed}",
             f"--samples={samples}", "--no-compare"],
            capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"advctl: {done.stderr}")
        return seconds, robust_of(json.loads(done.stdout))


def robust_of(found):
    """The first robust accuracy in advctl's JSON, in %."""
    stack = [found]
    while stack:
        value = stack.pop(0)
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "robust_accuracy":
                    rate = inner["value"] if isinstance(inner, dict) else inner
                    return 100 * rate
                stack.append(inner)
        elif isinstance(value, list):
            stack.extend(value)
    raise SystemExit("advctl's JSON has no robust_accuracy")


class Library:
    """One Python library's attack on the whole sample."""

    def __init__(self, attack_batch, batch, tf32):
        self._attack, self._batch, self._tf32 = attack_batch, batch, tf32
        self._images, self._labels = read_sample()
        self._network = (Network().eval().requires_grad_(False).cuda()
                         .to(memory_format=torch.channels_last))

    def run(self):
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = self._tf32
        torch.backends.cuda.matmul.allow_tf32 = self._tf32
        start, robust = time.perf_counter(), 0
        for begin in range(0, len(self._labels), self._batch):
            images = self._images[begin:begin + self._batch].cuda().to(
                memory_format=torch.channels_last)
            labels = self._labels[begin:begin + self._batch].cuda()
            found = self._attack(self._network, images, labels)
            with torch.no_grad():
                right = self._network(images).argmax(1) == labels
                still = self._network(found).argmax(1) == labels
            robust += int((right & still).sum())
        seconds = time.perf_counter() - start
        return seconds, 100 * robust / len(self._labels)


def torchattacks_arm(name):
    import torchattacks
    if name == "fgsm":
        return lambda network, x, y: torchattacks.FGSM(
            network, eps=EPSILON)(x, y)
    return lambda network, x, y: torchattacks.PGD(
        network, eps=EPSILON, alpha=EPSILON / 4, steps=STEPS)(x, y)


def foolbox_arm(name):
    import foolbox
    attack = foolbox.attacks.LinfFastGradientAttack() if name == "fgsm" else (
        foolbox.attacks.LinfPGD(abs_stepsize=EPSILON / 4, steps=STEPS))

    def run(network, x, y):
        model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cuda")
        return attack(model, x, y, epsilons=EPSILON)[1]
    return run


def arms_of(name, batch, served):
    """Name of each arm -> what gives (seconds, robust %)."""
    ours = "fgsm" if name == "fgsm" else f"pgd:steps={STEPS}"
    arms = {"adv": lambda: served.run(ours, "8/255", batch)}
    for library, make in (("torchattacks", torchattacks_arm),
                          ("foolbox", foolbox_arm)):
        try:
            attack = make(name)
        except ImportError as error:
            print(f"  {library} is left out: {error}")
            continue
        for tf32 in (False, True):
            arms[f"{library} {'tf32' if tf32 else 'float32'}"] = Library(
                attack, batch, tf32).run
    return arms


def measure(name, batch, served, until):
    """Rounds of all arms until the time is up, at least two, after a warm-up
    that does not count. Returns {arm: [(seconds, robust), ...]}."""
    arms = arms_of(name, batch, served)
    found = {arm: [] for arm in arms}
    for run in arms.values():
        run()
    rounds = 0
    while rounds < 2 or (time.monotonic() < until and rounds < 9):
        order = list(arms) if rounds % 2 == 0 else list(arms)[::-1]
        for arm in order:
            found[arm].append(arms[arm]())
        rounds += 1
    return found


def show(name, batch, found):
    gradients = 1 if name == "fgsm" else STEPS
    images = len(read_sample()[1])
    print(f"\n{name} at 8/255, batch {batch}, {len(found['adv'])} rounds")
    print(f"  {'arm':22s} {'seconds':>8s} {'images/s':>9s} {'TFLOP/s':>8s} "
          f"{'robust %':>8s}  adv is so many times as fast [least, most]")
    for arm, runs in found.items():
        seconds = statistics.median(run[0] for run in runs)
        ratios = sorted(run[0] / ours[0]
                        for run, ours in zip(runs, found["adv"]))
        rate = images / seconds
        print(f"  {arm:22s} {seconds:8.3f} {rate:9.0f} "
              f"{rate * gradients * GRADIENT_GFLOP / 1e3:8.1f} "
              f"{statistics.median(run[1] for run in runs):8.1f}  "
              f"{statistics.median(ratios):.2f} "
              f"[{ratios[0]:.2f}, {ratios[-1]:.2f}]", flush=True)


def auto_attack(served, samples):
    """The standard ensemble at 2/255, once, beside its original."""
    seconds, robust = served.run("autoattack", "2/255", 1000, samples)
    print(f"\nAutoAttack at 2/255 on {samples} images, one run each")
    print(f"  adv                    {seconds:8.1f} s  robust {robust:.1f} %",
          flush=True)
    try:
        from autoattack import AutoAttack
    except ImportError as error:
        print(f"  the original is left out: {error}")
        return
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    network = (Network().eval().requires_grad_(False).cuda()
               .to(memory_format=torch.channels_last))
    images, labels = (each[:samples] for each in read_sample())
    start = time.perf_counter()
    attack = AutoAttack(network, norm="Linf", eps=2 / 255, device="cuda",
                        verbose=False)
    found = attack.run_standard_evaluation(images, labels, bs=1000)
    with torch.no_grad():
        right = network(images.cuda()).argmax(1).cpu() == labels
        still = network(found.cuda()).argmax(1).cpu() == labels
    theirs = time.perf_counter() - start
    print(f"  original, float32      {theirs:8.1f} s  robust "
          f"{100 * (right & still).float().mean():.1f} %  ratio "
          f"{theirs / seconds:.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="",
                        help="folder of the Python libraries")
    parser.add_argument("--seconds", type=float, default=80,
                        help="for the rounds of all four cases together")
    parser.add_argument("--auto-attack", type=int, default=1000,
                        help="images for AutoAttack; 0: none")
    options = parser.parse_args()
    if options.peers:
        sys.path.insert(0, options.peers)
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    with tempfile.TemporaryFile() as log, Served(log) as served:
        for name, batch in (("fgsm", 1000), ("pgd40", 1000), ("pgd40", 128)):
            until = time.monotonic() + options.seconds / 3
            show(name, batch, measure(name, batch, served, until))
        if options.auto_attack:
            auto_attack(served, options.auto_attack)


if __name__ == "__main__":
    main()
