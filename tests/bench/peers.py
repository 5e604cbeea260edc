"""Evaluations by a real advserver beside the Python packages of the field, on
the same images, with the same steps."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time

import paired

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = "balanced"
PACKAGES = """torchattacks  https://github.com/Harry24k/adversarial-attacks-pytorch
              at 23620a6
autoattack    https://github.com/fra31/auto-attack at a392200"""

# Name, title, attack, steps' fields, images, images at once, epsilon in levels,
# rule of success, and the least ratio aimed at. "_fast" is with fast passes,
# left out where the server has none.
CASES = [
    ("fgsm", "FGSM", "fgsm", {}, 1000, 128, 8, "LAST", 1.5),
    ("igsm_10", "IGSM, 10 steps", "igsm", {"steps": 10}, 512, 128, 8, "LAST",
     1.95),
    ("pgd_40", "PGD, 40 steps", "pgd", {"steps": 40}, 256, 128, 8, "LAST", 2.2),
    ("pgd_40_any", "PGD, 40 steps, by any iterate", "pgd", {"steps": 40}, 256,
     128, 8, "ANY", 25),
    ("pgd_40_fast", "PGD, 40 steps, fast", "pgd", {"steps": 40}, 256, 128, 8,
     "LAST", 2.2),
    ("fgsm_1", "FGSM, calls of one image", "fgsm", {}, 200, 1, 8, "LAST", 6),
    ("auto_attack", "AutoAttack, standard", "auto_attack", {}, 16, 128, 1,
     "LAST", 3),
]
IN_FLIGHT = 4  # calls of one image


class Ours:
    """Evaluations by a server of its own; each time another seed, so that
    nothing is remembered."""

    def __init__(self, scope, folder):
        import wire
        from harness import SAMPLE, Server, read_sample, stubs
        self._wire, self._stubs = wire, stubs
        with open(SAMPLE, "rb") as file:
            records = file.read()
        flags = []
        for count in sorted({case[4] for case in CASES}):
            path = os.path.join(folder, f"first-{count}.bin")
            with open(path, "wb") as file:
                file.write(records[:count * 3073])
            flags.append(f"--dataset=first-{count}={path}")
        self._service = wire.service(
            wire.connect(scope, Server(scope, *flags).address))
        self._seed = 0
        self._labels, self._images = read_sample()

    def _generate(self, i, attack, levels, precision="FLOAT32"):
        """A call for the i-th image."""
        pb = self._stubs.attack_evaluation_service_pb2
        return self._service.GenerateAdversarial.future(
            pb.GenerateAdversarialRequest(
                model=MODEL, images=self._wire.batch(self._images[i:i + 1]),
                labels=self._labels[i:i + 1].tolist(),
                attack=self._wire.attack(attack),
                epsilon=self._wire.levels(levels),
                precision="PRECISION_" + precision),
            timeout=self._wire.CALL_SECONDS)

    def has_fast(self):
        """Whether the server has fast passes for the model."""
        refusal = self._generate(0, "fgsm", 1, "FAST").exception()
        return refusal is None

    def generate(self, attack, count, levels):
        """The same by a call of GenerateAdversarial for each image."""
        replies, waiting, start = [], [], time.perf_counter()
        for i in range(count):
            waiting.append(self._generate(i, attack, levels))
            if len(waiting) == IN_FLIGHT:
                replies.append(waiting.pop(0).result())
        replies += [call.result() for call in waiting]
        took = time.perf_counter() - start
        results = [reply.results[0] for reply in replies]
        right = [r for r in results if r.clean.top[0].label == r.label]
        return took, len(right), sum(r.adversarial.top[0].label == r.label
                                     for r in right)

    def evaluate(self, attack, fields, count, batch, levels, rule, fast):
        """(seconds that the server needed, clean right, still right)"""
        pb = self._stubs.evaluation_pb2
        self._seed += 1
        spec = pb.EvaluationSpec(
            model=MODEL, dataset=f"first-{count}", seed=self._seed,
            tile_size=batch, attacks=[self._wire.attack(attack, **fields)],
            epsilons=[self._wire.levels(levels)],
            success=f"SUCCESS_RULE_{rule}_ITERATE",
            precision="PRECISION_FAST" if fast else "PRECISION_FLOAT32")
        start = time.perf_counter()
        _, _, report = self._wire.evaluate(self._service, spec, timeout=3600)
        took = time.perf_counter() - start
        outcomes = report.results[0].overall
        return (took, outcomes.clean_accuracy.count,
                outcomes.robust_accuracy.count)


class Peer:
    """peer_loop.py in a process of its own."""

    def __init__(self, packages):
        environment = dict(os.environ, OMP_WAIT_POLICY="passive")
        environment["PYTHONPATH"] = os.pathsep.join(
            [os.path.join(os.path.dirname(HERE), "e2e"), packages])
        environment["LD_LIBRARY_PATH"] = os.environ.get(
            "ADV_PEER_LIBRARIES", "")
        # Without these malloc gives each map back to the system and asks for
        # it again, which takes as long as the arithmetic.
        environment["MALLOC_MMAP_THRESHOLD_"] = str(2**30)
        environment["MALLOC_TRIM_THRESHOLD_"] = str(2**32)
        environment["MALLOC_TOP_PAD_"] = str(2**28)
        self._process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, "peer_loop.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment)

    def evaluate(self, attack, count, batch, levels):
        self._process.stdin.write(f"{attack} {count} {batch} {levels / 255}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line.strip():
            raise SystemExit("peer_loop.py ended")
        took, clean, robust = line.split()
        return float(took), int(clean), int(robust)

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def compare(ours, peer, case, pairs, report):
    name, title, attack, fields, count, batch, levels, rule, aim = case
    found = {}

    def timed(side, evaluate, *arguments):
        def work():
            took, *found[side] = evaluate(*arguments)
            return took
        return work

    our_work = (
        timed("ours", ours.generate, attack, count, levels) if batch == 1 else
        timed("ours", ours.evaluate, attack, fields, count, batch, levels,
              rule, name.endswith("_fast")))
    measured = paired.compare(
        our_work, timed("peer", peer.evaluate, attack, count, batch, levels),
        pairs)
    result = report(f"{title}, {count} images, epsilon {levels}/255", measured,
                    images=count)
    print(f"  clean right {found['ours'][0]} / {found['peer'][0]}, still right "
          f"{found['ours'][1]} / {found['peer'][1]}; aim {aim} "
          f"{'' if measured.ratio >= aim else 'missed'}")
    return dict(result, case=name, aim=aim, found=found)


def bench(pairs, report, scope):
    """The cases, or None if the packages are not there."""
    packages = os.environ.get("ADV_PEERS", "")
    if not packages:
        print(f"skipped: ADV_PEERS must name the folders of\n{PACKAGES}\n"
              "and of what they import, with colons between. "
              "ADV_PEER_LIBRARIES may name\nthe folder of a BLAS for them, as "
              "OpenBLAS, which is faster than Debian's own.")
        return None
    folder = scope.enter(tempfile.TemporaryDirectory())
    ours = Ours(scope, folder)
    cases = [case for case in CASES
             if not case[0].endswith("_fast") or ours.has_fast()]
    with contextlib.closing(Peer(packages)) as peer:
        return {"comparisons": [compare(ours, peer, case, pairs, report)
                                for case in cases]}
