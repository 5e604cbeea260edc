"""A real server, training worker and Prometheus with the project's rules, all
on this machine, and callers that keep them busy."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import grpc

from dashboards import DEPLOY, ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
# pylint: disable=wrong-import-position
import certificates  # noqa: E402
import wire  # noqa: E402
from harness import (ADVCTL, BUILD, SAMPLE, Server,  # noqa: E402
                     environment, free_port, read_sample, stubs,
                     temporary_folder)

ADVTRAIN = os.path.join(BUILD, "model_store", "trainer", "advtrain")
DEADLINE = 240
SCRAPES = "1s"
# What stands in prometheus.yml for the containers' names.
DISCOVERY = ("dns_sd_configs:\n      - {names: [server], type: A, port: 9464, "
             "refresh_interval: 15s}")


def poll(condition, what):
    """Waits until the condition holds, also where Prometheus still starts."""
    end, last = time.monotonic() + DEADLINE, None
    while time.monotonic() < end:
        try:
            if condition():
                return
        except OSError as error:
            last = error
        time.sleep(.2)
    raise AssertionError(f"waited in vain for {what}; last error: {last}")


class Stack:
    """Runs until the test ends."""

    def __init__(self, test):
        self.test = test
        self.folder = temporary_folder(test)
        self.store = os.path.join(self.folder, "store")
        self.metrics = f"127.0.0.1:{free_port()}"
        self.training_metrics = f"127.0.0.1:{free_port()}"
        self._add_broken_version()
        self.start = time.time()
        self.server = Server(
            test, f"--store={self.store}", "--poll-seconds=1",
            f"--endpoint=lab=grpc://127.0.0.1:{free_port()}",
            "--max-queued-cost=40000", metrics=self.metrics)
        self.secured_metrics = f"127.0.0.1:{free_port()}"
        self._start_secured()
        self.api = self._start_prometheus()
        self._start_training()
        poll(lambda: self.get("/-/ready"), "Prometheus")
        # A rate needs a value from before what it counts.
        poll(lambda: self.query("adv_build_info", instant=True),
             "the first scrape")

    def _add_broken_version(self):
        folder = os.path.join(self.store, "broken", "1")
        os.makedirs(folder)
        with open(os.path.join(folder, "manifest.json"), "w",
                  encoding="utf-8") as file:
            file.write("{}")

    def _start_secured(self):
        """Nobody calls it: for what only TLS and identities have."""
        certificate, key = certificates.Authority(self.folder, "ca").issue(
            "server", "DNS:localhost", 1)
        identities = os.path.join(self.folder, "identities.json")
        with open(identities, "w", encoding="utf-8") as file:
            file.write('[{"name": "ops", "role": "admin", "certificate": "x"}]')
        Server(self.test, f"--tls-certificate={certificate}",
               f"--tls-key={key}", f"--identities={identities}",
               metrics=self.secured_metrics)

    def run(self, *command):
        """Starts a program that is killed when the test ends."""
        with open(os.path.join(self.folder, os.path.basename(command[0])),
                  "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL,
                                       env=environment())
        self.test.addCleanup(process.wait)
        self.test.addCleanup(process.kill)
        return process

    def _start_prometheus(self):
        """With prometheus.yml, but for addresses and intervals."""
        with open(os.path.join(DEPLOY, "prometheus", "prometheus.yml"),
                  encoding="utf-8") as file:
            config = file.read()
        rules = os.path.join(DEPLOY, "prometheus", "rules")
        for there, here in {
                DISCOVERY: f"static_configs: [{{targets: ['{self.metrics}', "
                           f"'{self.secured_metrics}']}}]",
                "trainer:9465": self.training_metrics,
                "alertmanager:9093": f"127.0.0.1:{free_port()}",
                "scrape_interval: 15s": f"scrape_interval: {SCRAPES}\n"
                                        f"  scrape_timeout: {SCRAPES}",
                "evaluation_interval: 15s": f"evaluation_interval: {SCRAPES}",
                "rules/*.yml": os.path.join(rules, "*.yml")}.items():
            if there not in config:
                raise AssertionError(f"prometheus.yml has no {there}")
            config = config.replace(there, here)
        path = os.path.join(self.folder, "prometheus.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        address = f"127.0.0.1:{free_port()}"
        self.run("prometheus", f"--config.file={path}",
                 f"--storage.tsdb.path={self.folder}/data",
                 f"--web.listen-address={address}",
                 f"--web.user-assets={DEPLOY}")
        return f"http://{address}"

    def _start_training(self):
        """Of two small models: one is soon published for the server, the other
        is trained until the test ends."""
        data = os.path.join(self.folder, "cifar10")
        os.mkdir(data)
        with open(SAMPLE, "rb") as file:
            records = file.read() * 10
        for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
            with open(os.path.join(data, f"{name}.bin"), "wb") as file:
                file.write(records)
        for suffix, *flags in (
                ("tiny", "--epochs=1"),
                ("long", "--epochs=1000", "--patience=0",
                 f"--metrics-listen={self.training_metrics}")):
            self.run(ADVTRAIN, "--models=balanced", f"--name-suffix={suffix}",
                     f"--data={data}", f"--store={self.store}", "--threads=1",
                     "--device=cpu", "--dataset-name=sample",
                     "--train-images=400", "--batch-size=8", *flags)

    def advctl(self, *arguments):
        """Runs in the background."""
        return self.run(ADVCTL, f"--server={self.server.address}", *arguments)

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        with urllib.request.urlopen(f"{self.api}{path}?{query}",
                                    timeout=30) as reply:
            return reply.read().decode()

    def ask(self, path, **parameters):
        """The data of an answer of Prometheus; ValueError if it refuses."""
        try:
            return json.loads(self.get(f"/api/v1/{path}", **parameters))["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from error

    def query(self, expression, instant, step=1):
        """Its series, now or since the start, as [(labels, [(time, text)])]."""
        if instant:
            result = self.ask("query", query=expression)["result"]
            return [(s["metric"], [s["value"]]) for s in result]
        result = self.ask("query_range", query=expression, start=self.start,
                          end=time.time(), step=step)["result"]
        return [(s["metric"], s["values"]) for s in result]


class Load:
    """Callers of all kinds, good and bad, until the test ends."""

    def __init__(self, stack, models=("balanced", "no-cat"), pause=.2,
                 turns_between_bursts=20):
        self._models = models
        self._turns_between_bursts = turns_between_bursts
        self._pause = pause
        self._stopped = threading.Event()
        self._service = wire.service(
            wire.connect(stack.test, stack.server.address))
        _, self._images = read_sample()
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        stack.test.addCleanup(thread.join)
        stack.test.addCleanup(self._stopped.set)

    def _run(self):
        turn = 0
        while not self._stopped.wait(self._pause):
            model = self._models[turn % len(self._models)]
            self._classify(model, 1 + turn % 16)
            self._attack(model, 8)
            self._classify("unknown", 1)  # NOT_FOUND
            self._attack(model, 8, epsilon=-1)  # INVALID_ARGUMENT
            if turn % self._turns_between_bursts == 0:
                self._burst(model)
            turn += 1

    def _classify(self, model, count):
        self._wait(self._service.Classify.future(
            stubs.attack_evaluation_service_pb2.ClassifyRequest(
                model=model, images=wire.batch(self._images[:count])),
            timeout=wire.CALL_SECONDS))

    def _start_attack(self, model, count, steps, epsilon):
        return self._service.GenerateAdversarial.future(
            stubs.attack_evaluation_service_pb2.GenerateAdversarialRequest(
                model=model, images=wire.batch(self._images[:count]),
                attack=wire.attack("igsm", steps=steps),
                epsilon=wire.levels(epsilon)),
            timeout=wire.CALL_SECONDS)

    def _attack(self, model, count, steps=4, epsilon=2):
        self._wait(self._start_attack(model, count, steps, epsilon))

    def _burst(self, model):
        """More than the queue holds: some are refused, the others given up."""
        calls = [self._start_attack(model, 128, 50, 2) for _ in range(20)]
        time.sleep(self._pause)  # not to wait for anything: patience ends
        for call in calls:
            call.cancel()

    @staticmethod
    def _wait(call):
        try:
            call.result()
        except (grpc.RpcError, grpc.FutureCancelledError):
            pass  # failures are part of the load
