"""Several servers over one PostgreSQL: they compute an evaluation together, and
its report is that of a single server with SQLite, to the byte, also when
servers and the database are killed at random moments."""

import os
import random
import re
import subprocess
import time
import unittest
import urllib.request

import grpc
import numpy

import wire
from harness import (ADVSERVER, SAMPLE, Server, environment, main, needs_zoo,
                     store_with, stubs, temporary_folder)
from lasting import END_SECONDS, LastingCase, without_environment
from postgres import Postgres, programs

KILLS = 20
READINESS = "adv.v1.AttackEvaluationService"
LEASE = "--lease-seconds=2"


def spec(seed, samples=256, **more):
    return stubs.evaluation_pb2.EvaluationSpec(**{
        "model": "no-cat", "samples": samples, "tile_size": 16, "seed": seed,
        "attacks": [wire.attack("pgd", steps=8), wire.attack("apgd", steps=5)],
        "epsilons": [wire.levels(1), wire.levels(2)], **more})


class Replica(Server):
    """One of the servers; `service` is its API."""

    def __init__(self, test, database, *flags):
        super().__init__(test, LEASE, "--workers=1", *flags,
                         state=database.url, metrics="127.0.0.1:0",
                         store=store_with(test, "no-cat"))
        self.channel = wire.connect(test, self.address)
        self.service = wire.service(self.channel)

    def serving(self, name):
        pb = stubs.health_pb2
        return stubs.health_pb2_grpc.HealthStub(self.channel).Check(
            pb.HealthCheckRequest(service=name),
            timeout=wire.CALL_SECONDS).status == pb.HealthCheckResponse.SERVING

    def metric(self, name):
        """The sum over its labels."""
        address = re.search(r"metrics=\"?(\S+:\d+)", self.log())[1]
        with urllib.request.urlopen(f"http://{address}/metrics") as page:
            values = [float(line.split()[-1])
                      for line in page.read().decode().splitlines()
                      if re.split("[ {]", line)[0] == name]
        if not values:
            raise AssertionError(f"no {name}")
        return sum(values)

    def images(self):
        """Images that this server has attacked for evaluations."""
        return self.metric("adv_evaluation_images_total")


class Cases(LastingCase):

    def setUp(self):
        super().setUp()
        self.database = Postgres(self)

    def replicas(self, count, *flags):
        return [Replica(self, self.database, *flags) for _ in range(count)]

    def alone(self, *specs):
        """Reports of a single server with SQLite, by id."""
        service = wire.service(wire.connect(self, Server(
            self, store=store_with(self, "no-cat")).address))
        ends = [self.end(service, self.ask(service, asked)) for asked in specs]
        return {end.id: without_environment(end.report) for end in ends}

    def assert_same(self, service, expected):
        for evaluation_id, report in expected.items():
            self.assert_report(service, evaluation_id, report)


@needs_zoo
@unittest.skipUnless(programs(), "no PostgreSQL")
class ReplicasTest(Cases):

    def test_three_compute_what_one_computes(self):
        expected = self.alone(spec(1))
        servers = self.replicas(3)
        # Followed at the first; the work is that of all.
        first, progress, report = wire.evaluate(
            servers[0].service, spec(1), timeout=END_SECONDS)
        self.assertEqual(list(expected), [first.id])
        done = [event.samples_done for event in progress]
        self.assertEqual(sorted(done), done)
        self.assertEqual(256, done[-1])
        shares = [server.images() for server in servers]
        print(f"images of each server: {shares}, "
              f"records {report.records_sha256}")
        self.assertEqual(256, sum(shares))
        self.assertGreater(min(shares), 0)
        for server in servers:
            self.assert_same(server.service, expected)

    def test_a_worker_takes_tiles_and_ends_when_none_is_left(self):
        asked = spec(4, samples=1000)
        expected = self.alone(asked)
        server, = self.replicas(1)
        asked = self.ask(server.service, asked)
        worker = subprocess.run(
            [ADVSERVER, "--work-only", f"--state={self.database.url}", LEASE,
             f"--store={store_with(self, 'no-cat')}", "--metrics-listen=off"],
            env=environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=END_SECONDS,
            check=False)
        self.assertEqual(0, worker.returncode, worker.stderr)
        self.assertEqual("working\n", worker.stdout)
        self.assertFalse(self.underway(self.get(server.service, asked)))
        # The rest was the worker's.
        self.assertLess(server.images(), 1000)
        self.assert_same(server.service, expected)

    def test_a_worker_needs_a_shared_store(self):
        worker = subprocess.run(
            [ADVSERVER, "--work-only", "--state=:memory:"], env=environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=END_SECONDS,
            check=False)
        self.assertEqual(1, worker.returncode)
        self.assertIn("--work-only needs", worker.stderr)

    def test_a_cancel_at_one_stops_all(self):
        servers = self.replicas(2)
        evaluation_id = self.ask(servers[0].service, spec(2, samples=1000))
        self.until(lambda: min(s.images() for s in servers) > 0,
                   "one of the servers does nothing")
        for server in servers:
            self.until(lambda: server.metric("adv_queue_tiles") > 0,
                       "it does not see the queue")
        cancelled = servers[1].service.CancelEvaluation(
            self.pb.CancelEvaluationRequest(id=evaluation_id),
            timeout=wire.CALL_SECONDS).evaluation
        self.assertEqual(self.states.EVALUATION_STATE_CANCELLED,
                         cancelled.state)
        # The tiles that ran then were given back or dropped.
        self.until(lambda: self.database.query(
            "SELECT count(*) FROM adv.tiles WHERE NOT done AND "
            "owner IS NOT NULL") == "0", "a tile is still held")
        for server in servers:
            self.assertFalse(
                self.underway(self.get(server.service, evaluation_id)))
            self.until(lambda: server.metric("adv_queue_tiles") == 0,
                       "it sees a queue where there is none")
        # Asked for again at the other server, it goes on.
        self.assertEqual(evaluation_id,
                         self.ask(servers[1].service, spec(2, samples=1000)))
        self.assertTrue(
            self.underway(self.get(servers[0].service, evaluation_id)))

    def test_other_data_is_refused_with_both_digests(self):
        folder = temporary_folder(self)
        with open(SAMPLE, "rb") as file:
            records = file.read()
        other = os.path.join(folder, "other.bin")
        with open(other, "wb") as file:
            file.write(records[:len(records) // 2])
        same, = self.replicas(1, f"--dataset=mine={SAMPLE}")
        refuses, = self.replicas(1, f"--dataset=mine={other}")
        asked = spec(3, samples=64, dataset="mine")
        evaluation_id = self.ask(same.service, asked)
        self.end(same.service, evaluation_id)
        self.assertEqual(64, same.images())
        self.assertEqual(0, refuses.images())
        self.until(lambda: "evaluation_refused" in refuses.log(),
                   "it is not in the log")
        line = next(line for line in refuses.log().splitlines()
                    if "evaluation_refused" in line)
        print(line)
        for server in (same, refuses):
            info = stubs.server_service_pb2_grpc.ServerServiceStub(
                server.channel).GetServerInfo(
                    stubs.server_service_pb2.GetServerInfoRequest(),
                    timeout=wire.CALL_SECONDS)
            digest = next(data.sha256 for data in info.datasets
                          if data.name == "mine")
            self.assertIn(digest, line)


@needs_zoo
@unittest.skipUnless(programs(), "no PostgreSQL")
class KillTest(Cases):

    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("ADV_SEED", time.time_ns() % 10**6))
        print(f"ADV_SEED={seed}")
        self.random = random.Random(seed)

    def test_kills_of_one_of_three(self):
        servers = self.replicas(3)
        specs = [spec(10)]
        ids = [self.ask(servers[0].service, specs[0])]
        kills = []
        while len(kills) < KILLS:
            time.sleep(self.random.uniform(0, 1))
            victim = self.random.randrange(3)
            asked = servers[(victim + 1) % 3].service
            now = self.get(asked, ids[-1])
            if not self.underway(now):
                specs.append(spec(10 + len(specs)))
                ids.append(self.ask(asked, specs[-1]))
                continue
            servers[victim].kill()
            servers[victim] = Replica(self, self.database)
            kills.append((len(ids) - 1, now.samples_done))
        print(f"killed at (evaluation, samples done): {kills}")
        for evaluation_id in ids:
            self.end(servers[0].service, evaluation_id)
        expected = self.alone(*specs)
        self.assertEqual(set(expected), set(ids))
        for server in servers:
            self.assert_same(server.service, expected)
        print(f"{len(ids)} reports are the same to the byte")

    def test_kills_of_the_database(self):
        servers = self.replicas(2)
        asked = spec(50, samples=1000)
        evaluation_id = self.ask(servers[0].service, asked)
        kills = []
        while len(kills) < 5:
            time.sleep(self.random.uniform(0, 1))
            self.database.kill()
            self.database.start()
            kills.append(self.database.query(
                "SELECT count(*) FROM adv.tiles WHERE done"))
        print(f"killed with tiles done: {kills}")
        self.assert_same(servers[1].service, self.alone(asked))

    def test_evaluations_wait_for_the_database_and_calls_do_not(self):
        server, = self.replicas(1)
        asked = spec(60, samples=500)
        evaluation_id = self.ask(server.service, asked)
        self.until(lambda: server.images() > 0, "nothing is done")
        self.database.kill()
        self.until(lambda: not server.serving(READINESS), "it is still ready")
        self.assertTrue(server.serving(""))
        reply = server.service.Classify(
            self.pb.ClassifyRequest(model="no-cat", images=wire.batch(
                numpy.zeros((4, 3, 32, 32), numpy.uint8))),
            timeout=wire.CALL_SECONDS)
        self.assertEqual(4, len(reply.results))
        with self.assertRaises(grpc.RpcError) as caught:
            self.get(server.service, evaluation_id)
        self.assertEqual(grpc.StatusCode.UNAVAILABLE, caught.exception.code())
        self.assertEqual(
            "STORAGE_UNAVAILABLE",
            wire.error_details(caught.exception)["ErrorInfo"].reason)
        self.database.start()
        self.until(lambda: server.serving(READINESS),
                   "it does not become ready")
        self.assert_same(server.service, self.alone(asked))
        self.assertEqual(500, server.images())


if __name__ == "__main__":
    main()
