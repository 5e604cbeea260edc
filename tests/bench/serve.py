"""A real advserver beside the same work in one process, on the same cores: what
serving costs."""

import os
import sys
import tempfile

import paired

MODEL = "balanced"
SERVICE = "/adv.v1.AttackEvaluationService/"
IMAGES = 1024  # of Classify, each time, on both sides
ATTACKED = 128  # images of a call, and of a run of attack_arms.cc's igsm_10

# Title, method, images a call, calls in flight, calls; which program does what
# in one process, and how often; and the least ratio aimed at.
WORK = [
    ("Classify, 1 image a call, 64 in flight / batches of 64", "Classify", 1,
     64, IMAGES, "bench_arms", "engine_forward 64", 1, .95),
    ("Classify, 32 images a call, 8 in flight / batches of 32", "Classify", 32,
     8, IMAGES // 32, "bench_arms", "engine_forward 32", 1, .98),
    (f"IGSM, 10 steps, {ATTACKED} images a call, 2 in flight / one batch",
     "GenerateAdversarial", ATTACKED, 2, 4, "bench_attack_arms",
     "ours igsm_10", 4, .98),
]
# Name, TLS, flags of the server. Jobs of one worker share its passes.
SERVERS = [
    ("plain", False, []),
    ("TLS", True, []),
    ("plain, no dynamic batching", False, ["--jobs-per-worker=1"]),
]


class Clients:
    """bench_serve_load and the bytes of its requests."""

    def __init__(self, scope, arms, folder):
        from certificates import Authority
        authority = Authority(folder, "authority")
        certificate, key = authority.issue("server", "IP:127.0.0.1", 1)
        self._tls = [f"--tls-certificate={certificate}", f"--tls-key={key}"]
        self._authorities = authority.certificate
        self._scope, self._arms, self._folder = scope, arms, folder

    def start(self, tls, flags):
        """A server and its client."""
        from harness import Server, store_with
        server = Server(self._scope, *flags, *(self._tls if tls else []),
                        store=store_with(self._scope, MODEL))
        client = self._arms("bench_serve_load", server.address,
                            *([self._authorities] if tls else []))
        self._scope.addCleanup(client.close)
        return client

    def request(self, method, count):
        """The file of a request for the first images of the sample."""
        import wire
        from harness import read_sample, stubs
        path = os.path.join(self._folder, f"{method}-{count}")
        labels, images = read_sample()
        pb = stubs.attack_evaluation_service_pb2
        if method == "Classify":
            message = pb.ClassifyRequest(
                model=MODEL, images=wire.batch(images[:count]), top_k=1)
        else:
            message = pb.GenerateAdversarialRequest(
                model=MODEL, images=wire.batch(images[:count]),
                labels=labels[:count].tolist(),
                attack=wire.attack("igsm", steps=10), epsilon=wire.levels(8))
        with open(path, "wb") as file:
            file.write(message.SerializeToString())
        return path


def bench(pairs, report, scope, arms):
    """`arms`: starts a program of this folder, as bench.Arms."""
    from harness import SAMPLE, newest_version
    version, manifest = newest_version(MODEL)
    model = [manifest["architecture"],
             os.path.join(version, "weights.safetensors"), SAMPLE]
    here = {"bench_arms": arms("bench_arms", *model),
            "bench_attack_arms": arms("bench_attack_arms", *model, "cpu")}
    for process in here.values():
        scope.addCleanup(process.close)
    folder = scope.enter(tempfile.TemporaryDirectory(prefix="adv-bench-"))
    clients = Clients(scope, arms, folder)
    results = []
    for name, tls, flags in SERVERS:
        client = clients.start(tls, flags)
        for (title, method, count, in_flight, calls, program, work, times,
             aim) in WORK:
            line = (f"{SERVICE}{method} {clients.request(method, count)} "
                    f"{in_flight} {calls}")
            latencies = []

            def served(client=client, line=line, latencies=latencies):
                seconds, *latency = client.ask(line)
                latencies.append(latency)
                return seconds

            def in_process(arm=here[program], work=work, times=times):
                return sum(arm.ask(work)[0] for _ in range(times))

            result = report(f"{name}: {title}",
                            paired.compare(served, in_process, pairs),
                            images=count * calls)
            middle = [sorted(column)[len(column) // 2]
                      for column in zip(*latencies[1:])]
            results.append(dict(result, server=name, aim=aim,
                                latency_seconds=dict(zip(
                                    ("p50", "p95", "p99"), middle))))
            sys.stdout.flush()
    print_table(results)
    return {"comparisons": results}


def print_table(results):
    """Served / in-process, in one line for each comparison."""
    print(f"\n{'served / in the process':80}  images/s     ratio [95 %]"
          f"{'':10}aim     p50, p95, p99 of a call")
    for one in results:
        low, high = one["interval"]
        rates = [one[side]["images_per_second"] for side in ("ours", "plain")]
        missed = "" if one["ratio"] >= one["aim"] else " missed"
        print(f"{one['title']:80}  {rates[0]:4.0f} / {rates[1]:4.0f}  "
              f"{one['ratio']:.3f} [{low:.3f}, {high:.3f}]  "
              f"{one['aim']:.2f}{missed:7}  "
              + " ".join(f"{1000 * value:.1f}"
                         for value in one["latency_seconds"].values())
              + " ms")
