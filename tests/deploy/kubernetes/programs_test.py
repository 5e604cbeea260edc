"""The manifests of deploy/kubernetes beside the real programs: they take the
arguments, answer the probes, have the metric that scales them, and end in time
and with the exit codes that the manifests count on."""

import os
import re
import subprocess
import sys
import time
import unittest
import urllib.request

from deployments import DEPLOYMENTS, adapter_rule
from references import containers, expanded, flags, named, of_kind, template
from rendering import render
from tools import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import wire  # noqa: E402
from harness import (ADVCTL, ADVSERVER, BUILD, Server, advctl,  # noqa: E402
                     free_port, main, needs_zoo, stubs, temporary_folder)

ADVTRAIN = os.path.join(BUILD, "model_store", "trainer", "advtrain")
# What only a container has, and a wait for balancers that a test can spare.
LEFT_OUT = ("--listen=", "--metrics-listen=", "--store=", "--state=",
            "--drain-wait-seconds=")


def first_container(deployment, kind, name):
    objects = render(*DEPLOYMENTS[deployment])
    return expanded(objects, containers(named(objects, kind, name)[0])[0])


def call(*command):
    return subprocess.run(command, check=False, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


class FlagsTest(unittest.TestCase):

    def test_the_programs_know_their_flags(self):
        for deployment in DEPLOYMENTS:
            for kind, name, program in (
                    ("StatefulSet", "adv-server", [ADVSERVER]),
                    ("Job", "adv-trainer", [ADVTRAIN]),
                    ("Job", "adv-client", [ADVCTL, "evaluate"])):
                known = set(re.findall(r"--([a-z-]+)",
                                       call(*program, "--help").stdout +
                                       call(program[0], "--help").stdout))
                given = flags(first_container(deployment, kind, name))
                with self.subTest(deployment=deployment, name=name):
                    self.assertEqual(set(), given.keys() - known)
                    self.assertNotIn("no-such-flag", known)

    def test_a_trainer_without_data_ends_its_job(self):
        """By the exit code after which the job is not tried again."""
        container = first_container("cpu", "Job", "adv-trainer")
        args = [a for a in container["args"]
                if not a.startswith(("--data", "--store", "--metrics-listen"))]
        folder = temporary_folder(self)
        ended = call(ADVTRAIN, *args, f"--data={folder}",
                     f"--store={folder}/store",
                     f"--metrics-listen=127.0.0.1:{free_port()}")
        rules = named(render(*DEPLOYMENTS["cpu"]), "Job",
                      "adv-trainer")[0]["spec"]["podFailurePolicy"]["rules"]
        codes = [r["onExitCodes"]["values"] for r in rules
                 if r["action"] == "FailJob"]
        self.assertIn([ended.returncode], codes, ended.stdout)
        self.assertIn("no data_batch_1.bin", ended.stdout)


@needs_zoo
class ServerTest(unittest.TestCase):

    def setUp(self):
        self.container = first_container("cpu", "StatefulSet", "adv-server")
        args = [a for a in self.container["args"]
                if not a.startswith(LEFT_OUT)]
        self.metrics = f"127.0.0.1:{free_port()}"
        empty = temporary_folder(self)  # a model store before any training
        self.server = Server(self, *args, f"--store={empty}",
                             metrics=self.metrics)

    def test_it_answers_its_probes_and_ends_in_time(self):
        channel = wire.connect(self, self.server.address)
        health = stubs.health_pb2_grpc.HealthStub(channel)
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = self.container[kind]
            with self.subTest(kind):
                reply = health.Check(
                    stubs.health_pb2.HealthCheckRequest(
                        service=probe["grpc"].get("service", "")),
                    timeout=probe["timeoutSeconds"])
                self.assertEqual(stubs.health_pb2.HealthCheckResponse.SERVING,
                                 reply.status)
        workload = of_kind(render(*DEPLOYMENTS["cpu"]), "StatefulSet")[0]
        started = time.monotonic()
        self.server.terminate()
        self.assertEqual(0, self.server.wait())
        self.assertLess(
            time.monotonic() - started,
            template(workload)["spec"]["terminationGracePeriodSeconds"])

    def test_the_client_evaluates_on_it(self):
        args = first_container("cpu", "Job", "adv-client")["args"]
        there = ["--samples=8" if a.startswith("--samples=") else
                 a.replace("adv-server:50051", self.server.address)
                 for a in args]
        done = advctl(*there)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("no-cat", done.stdout)

    def test_it_has_the_series_that_the_adapter_reads(self):
        with urllib.request.urlopen(f"http://{self.metrics}/metrics",
                                    timeout=10) as reply:
            text = reply.read().decode()
        rule = adapter_rule()
        names = set(re.findall(r"adv_\w+", rule["seriesQuery"] +
                               rule["metricsQuery"]))
        names.discard(rule["name"]["as"])
        self.assertEqual(2, len(names), names)
        for name in names:
            self.assertIn(f'\n{name}{{lane="interactive"}} ', text)


if __name__ == "__main__":
    main()
