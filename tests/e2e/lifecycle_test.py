"""What happens to callers when the server stops, politely or not."""

import time
import unittest

import grpc

import wire
from harness import Server, advctl, main, needs_zoo, read_sample, stubs, \
    temporary_folder

DEADLINE = 120


@needs_zoo
class TerminateTest(unittest.TestCase):

    def test_calls_in_flight_finish_and_it_exits_with_0(self):
        server = Server(self)
        _, images = read_sample()
        request = stubs.attack_evaluation_service_pb2.ClassifyRequest(
            model="balanced", images=wire.batch(images[:256]), top_k=1)
        service = wire.service(wire.connect(self, server.address))
        calls = [service.Classify.future(request, timeout=DEADLINE)
                 for _ in range(16)]
        calls[0].result()  # so the others have arrived; most of them wait
        server.terminate()
        self.assertFalse(all(call.done() for call in calls))
        for call in calls:
            self.assertEqual(256, len(call.result().results))
        self.assertEqual(0, server.wait())

    def test_a_running_evaluation_ends_and_the_next_server_goes_on_with_it(self):
        state = temporary_folder(self)
        server = Server(self, "--drain-seconds=1", state=state)
        service = wire.service(wire.connect(self, server.address))
        spec = stubs.evaluation_pb2.EvaluationSpec(
            model="no-cat", tile_size=32, epsilons=[wire.levels(4)],
            attacks=[wire.attack("igsm", steps=20)])
        pb = stubs.attack_evaluation_service_pb2
        stream = service.EvaluateRobustness(
            pb.EvaluateRobustnessRequest(spec=spec), timeout=DEADLINE)
        first = next(stream).evaluation
        server.terminate()
        with self.assertRaises(grpc.RpcError) as caught:
            list(stream)
        self.assertEqual(grpc.StatusCode.UNAVAILABLE,
                         caught.exception.code())
        self.assertEqual(0, server.wait())
        again = wire.service(wire.connect(
            self, Server(self, state=state).address))
        kept = again.GetEvaluation(pb.GetEvaluationRequest(id=first.id),
                                   timeout=DEADLINE).evaluation
        self.assertIn(kept.state,
                      (stubs.evaluation_pb2.EVALUATION_STATE_QUEUED,
                       stubs.evaluation_pb2.EVALUATION_STATE_RUNNING))

    def test_readiness_goes_before_the_server_does(self):
        server = Server(self, "--drain-wait-seconds=2")
        channel = wire.connect(self, server.address)
        pb = stubs.health_pb2
        watch = stubs.health_pb2_grpc.HealthStub(channel).Watch(
            pb.HealthCheckRequest(
                service="adv.v1.AttackEvaluationService"), timeout=DEADLINE)
        self.assertEqual(pb.HealthCheckResponse.SERVING, next(watch).status)
        server.terminate()
        # gRPC's health service may repeat a status.
        self.assertTrue(any(reply.status == pb.HealthCheckResponse.NOT_SERVING
                            for reply in watch))
        self.assertEqual(0, server.wait())


@needs_zoo
class CrashTest(unittest.TestCase):

    SPEC = dict(model="no-cat", samples=600, seed=5, tile_size=32)

    def spec(self):
        return stubs.evaluation_pb2.EvaluationSpec(
            attacks=[wire.attack("pgd", steps=4, restarts=2),
                     wire.attack("square", queries=10)],
            epsilons=[wire.levels(1)], **self.SPEC)

    def test_an_evaluation_goes_on_after_kill_9_with_the_same_records(self):
        state = temporary_folder(self)
        server = Server(self, state=state)
        service = wire.service(wire.connect(self, server.address))
        pb = stubs.attack_evaluation_service_pb2
        stream = service.EvaluateRobustness(
            pb.EvaluateRobustnessRequest(spec=self.spec()), timeout=DEADLINE)
        evaluation = next(stream).evaluation
        done = self.wait_for_some(service, evaluation.id)
        server.kill()
        with self.assertRaises(grpc.RpcError):
            list(stream)

        again = wire.service(wire.connect(
            self, Server(self, state=state).address))
        resumed, _, report = wire.evaluate(again, self.spec())
        self.assertEqual(evaluation.id, resumed.id)
        self.assertGreaterEqual(resumed.samples_done, done)

        fresh = wire.service(wire.connect(self, Server(self).address))
        _, _, whole = wire.evaluate(fresh, self.spec())
        self.assertEqual(whole.records_sha256, report.records_sha256)
        # As bytes: a mean of nothing is NaN, which equals nothing.
        self.assertEqual(
            [result.SerializeToString(deterministic=True)
             for result in whole.results],
            [result.SerializeToString(deterministic=True)
             for result in report.results])

    def wait_for_some(self, service, evaluation_id):
        """Samples done, once there are some but not all."""
        pb = stubs.attack_evaluation_service_pb2
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            now = service.GetEvaluation(
                pb.GetEvaluationRequest(id=evaluation_id),
                timeout=DEADLINE).evaluation
            self.assertLess(now.samples_done, now.samples_total,
                            "finished before it could be killed")
            if now.samples_done:
                return now.samples_done
            time.sleep(.02)
        self.fail("nothing done in time")


@needs_zoo
class FullDiskTest(unittest.TestCase):

    COMMAND = ("evaluate", "--model=no-cat", "--samples=200", "--attack=fgsm",
               "--epsilon=1/255:8/255:1/255")
    REFUSED = 4

    def test_an_evaluation_fails_and_resumes_once_there_is_room(self):
        state = temporary_folder(self)
        server = Server(self, "--max-state-bytes=1", state=state)
        done = advctl(*self.COMMAND, server=server.address)
        self.assertEqual(self.REFUSED, done.returncode, done.stderr)
        self.assertIn("it resumes once there is room", done.stderr)
        self.assertIn("advctl evaluations resume", done.stderr)
        self.assertNotIn("may still go on", done.stderr)
        # Another try would be in vain: nobody deletes anything meanwhile.
        self.assertEqual(
            1, server.log().count("event=rpc method=EvaluateRobustness"))
        server.terminate()
        self.assertEqual(0, server.wait())

        server = Server(self, state=state)
        done = advctl(*self.COMMAND, server=server.address)
        self.assertEqual(0, done.returncode, done.stderr)


if __name__ == "__main__":
    main()
