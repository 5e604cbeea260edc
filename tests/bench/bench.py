"""`./dev bench [NAME]`: this project's speed beside a plain LibTorch loop.

Every number is a ratio measured side by side in one run: at least seven pairs
in the order A B B A, the median of the paired ratios with its interval, raw
seconds printed and written to <build>/bench/<NAME>.json.
"""

import argparse
import functools
import itertools
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

import paired  # noqa: E402
import peers  # noqa: E402
import replicas  # noqa: E402
import serve  # noqa: E402

BATCH, BATCHES = 128, 8  # as in arms.cc
IMAGES = BATCH * BATCHES
FORWARD_MFLOP = 117.1  # of one image; forward and input gradient: twice that
IN_FLIGHT = 4


class Arms:
    """The C++ process that does the work of both sides."""

    def __init__(self, build, program, *arguments):
        self._program = program
        self._process = subprocess.Popen(
            [os.path.join(build, "tests", "bench", program), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, work):
        self._process.stdin.write(work + "\n")
        self._process.stdin.flush()
        return self.answer(work)

    def answer(self, work):
        """One more line of numbers."""
        line = self._process.stdout.readline()
        if not line.strip():
            raise SystemExit(f"{self._program} ended at {work}")
        return [float(value) for value in line.split()]

    def seconds(self, work):
        return lambda: self.ask(work)[0]

    def close(self):
        self._process.stdin.close()
        self._process.wait()


class Served:
    """The same work, asked of a real advserver over loopback."""

    def __init__(self, scope):
        import numpy
        import wire
        from harness import Server, read_sample, stubs
        self._wire, self._stubs = wire, stubs
        self._service = wire.service(wire.connect(scope, Server(scope).address))
        _, images = read_sample()
        images = numpy.concatenate([images, images[:IMAGES - len(images)]])
        self._batches = [wire.batch(images[i:i + BATCH])
                         for i in range(0, IMAGES, BATCH)]
        self._samples = len(images) // 1000 * 1000
        self._seeds = itertools.count(1)

    def classify(self):
        """All images, IN_FLIGHT requests at a time."""
        pb = self._stubs.attack_evaluation_service_pb2
        start, waiting = time.perf_counter(), []
        for batch in self._batches:
            waiting.append(self._service.Classify.future(
                pb.ClassifyRequest(model="balanced", images=batch, top_k=1),
                timeout=self._wire.CALL_SECONDS))
            if len(waiting) == IN_FLIGHT:
                waiting.pop(0).result()
        for call in waiting:
            call.result()
        return time.perf_counter() - start

    def evaluate_fgsm(self):
        """FGSM on all images of the sample, per IMAGES images; each time
        another seed, so that nothing is remembered."""
        spec = self._stubs.evaluation_pb2.EvaluationSpec(
            model="balanced", seed=next(self._seeds),
            attacks=[self._wire.attack("fgsm")],
            epsilons=[self._wire.levels(8)])
        start = time.perf_counter()
        self._wire.evaluate(self._service, spec)
        return (time.perf_counter() - start) * IMAGES / self._samples


def report(title, comparison, mflop=0, peak=None, plain_mflop=None,
           images=IMAGES):
    """Prints one comparison; returns it for the JSON file."""
    sides = {}
    for name, seconds, work in (("ours", comparison.a, mflop),
                                ("plain", comparison.b, plain_mflop or mflop)):
        median = sorted(seconds)[len(seconds) // 2]
        rate = images / median
        share = rate * work / 1000 / peak if peak else None
        sides[name] = {"seconds": seconds, "images_per_second": rate,
                       "share_of_fma_peak": share}
    low, high = comparison.interval
    print(f"\n{title}")
    for name, side in sides.items():
        share = side["share_of_fma_peak"]
        raw = " ".join(f"{s:.3f}" for s in side["seconds"])
        print(f"  {name:5} {side['images_per_second']:8.0f} images/s"
              + (f"  {share:6.1%} of the FMA peak" if share else "")
              + f"   seconds: {raw}")
    print(f"  ratio {comparison.ratio:.3f} [{low:.3f}, {high:.3f}] "
          f"over {len(comparison.a)} pairs")
    return {"title": title, "ratio": comparison.ratio,
            "interval": [low, high], "images": images, **sides}


class Scope:
    """Gives the harness of the tests something to clean up after."""

    def __init__(self):
        self._cleanups = []

    def addCleanup(self, function, *arguments, **named):  # noqa: N802
        self._cleanups.append((function, arguments, named))

    def enter(self, context):
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def close(self):
        while self._cleanups:
            function, arguments, named = self._cleanups.pop()
            function(*arguments, **named)


def bench_classify(build, pairs):
    """Classifying and gradients: in the engine and over the wire."""
    from harness import SAMPLE, newest_version
    folder, manifest = newest_version("balanced")
    arms, scope = Arms(build, "bench_arms", manifest["architecture"],
                       os.path.join(folder, "weights.safetensors"),
                       SAMPLE), Scope()
    try:
        served = Served(scope)
        logits, signs = arms.ask("agreement")
        peak = max(arms.ask("peak")[0] for _ in range(3))
        print(f"FMA peak of all cores (registers only, best of 3): "
              f"{peak:.0f} GFLOP/s")
        print(f"same work: largest difference of a logit {logits:.1e}, "
              f"{signs:.2%} of gradient signs differ")
        cases = [
            ("forward: Network::Logits / at::conv2d loop",
             arms.seconds("engine_forward"), "plain_forward", 1),
            ("forward and input gradient: LossGradient / autograd loop",
             arms.seconds("engine_gradient"), "plain_gradient", 2),
            (f"Classify over gRPC, {IN_FLIGHT} requests of {BATCH} in "
             "flight / at::conv2d loop", served.classify, "plain_forward", 1),
            ("EvaluateRobustness, FGSM on the sample / gradient, sign, "
             "forward loop", served.evaluate_fgsm, "plain_fgsm", 3),
        ]
        results = [report(title, paired.compare(ours, arms.seconds(plain),
                                                pairs),
                          passes * FORWARD_MFLOP, peak)
                   for title, ours, plain, passes in cases]
        return {"fma_peak_gflops": peak, "logit_difference": logits,
                "sign_difference": signs, "comparisons": results}
    finally:
        arms.close()
        scope.close()


TRAINING_MFLOP = 349.6  # of one image
# As in training_arms.cc.
TRAINING_BATCH, TRAINING_STEPS, MODELS = 32, 10, 11


def bench_train(build, pairs):
    """Training steps beside the loop of LibTorch's examples."""
    from harness import SAMPLE
    device = os.environ.get("ADV_BENCH_DEVICE", "cpu")
    arms = Arms(build, "bench_training_arms", SAMPLE, device)
    peak = max(arms.ask("peak")[0] for _ in range(3))
    images = TRAINING_BATCH * TRAINING_STEPS
    print(f"device {device}; {TRAINING_STEPS} steps of {TRAINING_BATCH} images "
          f"each time; FMA peak of all cores {peak:.0f} GFLOP/s")
    try:
        results = []
        for title, ours, plain, models in [
                ("one model: Trainer / Sequential, RMSprop, DataLoader",
                 "engine_one", "plain_one", 1),
                ("the same, the plain loop in channels-last memory",
                 "engine_one", "plain_channels_last_one", 1),
                (f"{MODELS} models: Trainers at once / the loop one by one",
                 "engine_all", "plain_all", MODELS)]:
            result = report(
                title, paired.compare(arms.seconds(ours), arms.seconds(plain),
                                      pairs),
                TRAINING_MFLOP, peak if device == "cpu" else None,
                images=images * models)
            for side in ("ours", "plain"):
                result[side]["steps_per_second"] = (
                    result[side]["images_per_second"] / TRAINING_BATCH)
                print(f"  {side:5} {result[side]['steps_per_second']:8.1f} "
                      "steps/s")
            results.append(result)
        curves = arms.ask("curves"), arms.answer("curves")
        length = min(len(curve) for curve in curves)
        print("\nmean training loss of each epoch, with dropout of its own")
        for name, curve in zip(("ours", "plain"), curves):
            print(f"  {name:5} " + " ".join(f"{loss:.3f}" for loss in
                                            curve[:length]))
        return {"device": device, "fma_peak_gflops": peak, "curves": curves,
                "comparisons": results}
    finally:
        arms.close()


def sweep_bound(epsilons):
    """A sweep's ratio if one gradient serves all and else nothing differs."""
    return 3 * epsilons / (2 + epsilons)


# Case of attack_arms.cc, title, whether both arms do the same work, and the
# least ratio aimed at.
ATTACK_CASES = [
    ("fgsm", "FGSM, batch 128", True, 1.1),
    ("igsm_10", "IGSM, 10 steps, batch 128", True, 1.1),
    ("pgd_40", "PGD, 40 steps, batch 128", True, 1.1),
    ("fgsm_1", "FGSM, batch 1", True, 1),
    ("igsm_10_1", "IGSM, 10 steps, batch 1", True, 1),
    ("pgd_40_1", "PGD, 40 steps, batch 1", True, 1),
    ("pgd_40_any", "PGD, 40 steps, any iterate, batch 128", False, 10),
    ("apgd_100", "APGD, 100 steps, batch 128", False, 1),
    ("apgd_100_1", "APGD, 100 steps, batch 1", False, 1),
    ("sweep_8", "FGSM at 8 epsilons, batch 128", False, .95 * sweep_bound(8)),
    ("sweep_20", "FGSM at 20 epsilons, batch 128", False,
     .95 * sweep_bound(20)),
    ("sweep_8_1", "FGSM at 8 epsilons, batch 1", False, 1),
    ("sweep_20_1", "FGSM at 20 epsilons, batch 1", False, 1),
]


def bench_attacks(build, pairs):
    """Attacks beside the autograd loop that a careful user would write."""
    from harness import SAMPLE, newest_version
    device = os.environ.get("ADV_BENCH_DEVICE", "cpu")
    folder, manifest = newest_version("balanced")
    arms = Arms(build, "bench_attack_arms", manifest["architecture"],
                os.path.join(folder, "weights.safetensors"), SAMPLE, device)
    try:
        peak = max(arms.ask("peak")[0] for _ in range(3))
        print(f"device {device}; balanced@{manifest['version']} at 8/255; FMA "
              f"peak of all cores {peak:.0f} GFLOP/s")
        results = []
        for case, title, same_work, aim in ATTACK_CASES:
            agree, *counts, images = arms.ask(f"verdicts {case}")
            robust, work = counts[:2], (counts[2:4], counts[4:6])
            mflop = [(2 * gradients + forwards) * FORWARD_MFLOP
                     for gradients, forwards in work]
            result = report(
                f"{title} ({'same work' if same_work else 'same answer'})",
                paired.compare(arms.seconds(f"ours {case}"),
                               arms.seconds(f"plain {case}"), pairs),
                mflop[0], peak if device == "cpu" else None,
                plain_mflop=mflop[1], images=int(images))
            print(f"  verdicts equal {agree:.2%}; robust {robust[0]:.2%} / "
                  f"{robust[1]:.2%}")
            for name, (gradients, forwards) in zip(("ours", "plain"), work):
                print(f"  {name:5} {gradients:.2f} gradients and "
                      f"{forwards:.2f} forwards an image")
            results.append(dict(result, case=case, same_work=same_work,
                                aim=aim, batch=1 if case.endswith("_1") else 128,
                                verdicts_equal=agree, robust_accuracy=robust,
                                passes_per_image=work))
        print_attack_table(results)
        return {"device": device, "fma_peak_gflops": peak,
                "comparisons": results}
    finally:
        arms.close()


def speed(side, batch):
    """Throughput, or of single images latency."""
    rate = side["images_per_second"]
    return f"{1000 / rate:.1f} ms" if batch == 1 else f"{rate:.1f}/s"


def print_attack_table(results):
    """Ours / plain, in one line for each case."""
    print(f"\n{'case':12}{'images/s or ms':>21}  ratio [95 %]{'':9}aim{'':10}"
          f"{'FMA peak':15}{'robust %':13}verdicts  gradients an image")
    for one in results:
        sides = one["ours"], one["plain"]
        low, high = one["interval"]
        shares = [side["share_of_fma_peak"] for side in sides]
        print(f"{one['case']:12}"
              f"{' / '.join(speed(side, one['batch']) for side in sides):>21}  "
              + f"{one['ratio']:5.2f} [{low:.2f}, {high:.2f}]".ljust(21)
              + f"{one['aim']:5.2f} {'' if one['ratio'] >= one['aim'] else 'missed'}"
              .ljust(13)
              + (" / ".join(f"{share:.1%}" for share in shares).ljust(15)
                 if all(shares) else "")
              + " / ".join(f"{100 * share:.1f}"
                           for share in one["robust_accuracy"]).ljust(13)
              + f"{one['verdicts_equal']:7.2%}   "
              + " / ".join(f"{passes[0]:.2f}"
                           for passes in one["passes_per_image"]))


def bench_networks(build, pairs):
    """Our networks on a CPU: oneDNN's own primitives beside LibTorch."""
    from harness import SAMPLE, newest_version
    folder, manifest = newest_version("balanced")
    arms = Arms(build, "bench_arms", manifest["architecture"],
                os.path.join(folder, "weights.safetensors"), SAMPLE)
    try:
        peak = max(arms.ask("peak")[0] for _ in range(3))
        print(f"FMA peak of all cores {peak:.0f} GFLOP/s")
        results = []
        for work, passes in (("forward", 1), ("gradient", 2)):
            for batch in (1, 16, 128):
                results.append(report(
                    f"{work}, batch {batch}: MakeVgg / MakeLibtorchVgg",
                    paired.compare(
                        arms.seconds(f"engine_{work} {batch}"),
                        arms.seconds(f"libtorch_{work} {batch}"), pairs),
                    passes * FORWARD_MFLOP, peak))
        return {"fma_peak_gflops": peak, "comparisons": results}
    finally:
        arms.close()


def bench_peers(build, pairs):
    """Evaluations beside torchattacks and the original AutoAttack."""
    scope = Scope()
    try:
        return peers.bench(pairs, report, scope)
    finally:
        scope.close()


def bench_replicas(build, pairs):
    """Several servers over one database, and what its queue carries."""
    scope = Scope()
    try:
        return replicas.bench(build, pairs, report, scope)
    finally:
        scope.close()


def bench_serve(build, pairs):
    """Serving beside the same work in one process."""
    scope = Scope()
    try:
        return serve.bench(pairs, report, scope, functools.partial(Arms, build))
    finally:
        scope.close()


BENCHES = {"attacks": bench_attacks, "classify": bench_classify,
           "networks": bench_networks, "peers": bench_peers,
           "replicas": bench_replicas, "serve": bench_serve, "train": bench_train}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(BENCHES),
                        help="default: all")
    parser.add_argument("--pairs", type=int, default=paired.LEAST_PAIRS)
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pairs < paired.LEAST_PAIRS:
        parser.error(f"--pairs must be at least {paired.LEAST_PAIRS}")
    os.environ["ADV_BUILD_DIR"] = options.build
    os.makedirs(os.path.join(options.build, "bench"), exist_ok=True)
    for name in [options.name] if options.name else sorted(BENCHES):
        print(f"== {name}")
        result = BENCHES[name](options.build, options.pairs)
        if result is None:
            continue
        path = os.path.join(options.build, "bench", name + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
        print(f"\nwritten: {path}")


if __name__ == "__main__":
    main()
