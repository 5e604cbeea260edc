"""What happens to callers when the server stops, politely or not."""

import threading
import time
import unittest

import grpc

import wire
from harness import Server, main, needs_zoo, read_sample, stubs, \
    temporary_folder

DEADLINE = 120


@needs_zoo
class TerminateTest(unittest.TestCase):

    def test_calls_in_flight_finish_and_it_exits_with_0(self):
        server = Server(self)
        _, images = read_sample()
        batch = wire.batch(images[:256])
        pb = stubs.attack_evaluation_service_pb2
        service = wire.service(wire.connect(self, server.address))
        outcomes, stop, some = [], threading.Event(), threading.Semaphore(0)

        def load():
            while not stop.is_set():
                try:
                    reply = service.Classify(pb.ClassifyRequest(
                        model="balanced", images=batch, top_k=1),
                        timeout=DEADLINE)
                    outcomes.append(len(reply.results))
                except grpc.RpcError as error:
                    outcomes.append(error.code())
                    stop.set()
                some.release()

        callers = [threading.Thread(target=load) for _ in range(4)]
        for caller in callers:
            caller.start()
        for _ in range(8):  # under load, with some of it behind us
            self.assertTrue(some.acquire(timeout=DEADLINE))
        server.terminate()
        self.assertEqual(0, server.wait())
        stop.set()
        for caller in callers:
            caller.join(DEADLINE)
        done = [o for o in outcomes if o == 256]
        refused = [o for o in outcomes if o != 256]
        self.assertGreaterEqual(len(done), 8)
        # Nothing but calls that were never started.
        self.assertLessEqual(set(refused), {grpc.StatusCode.UNAVAILABLE})

    def test_readiness_goes_before_the_server_does(self):
        server = Server(self)
        channel = wire.connect(self, server.address)
        pb = stubs.health_pb2
        watch = stubs.health_pb2_grpc.HealthStub(channel).Watch(
            pb.HealthCheckRequest(
                service="adv.v1.AttackEvaluationService"), timeout=DEADLINE)
        self.assertEqual(pb.HealthCheckResponse.SERVING, next(watch).status)
        server.terminate()
        self.assertEqual(pb.HealthCheckResponse.NOT_SERVING,
                         next(watch).status)
        self.assertEqual(0, server.wait())


@needs_zoo
class CrashTest(unittest.TestCase):

    SPEC = dict(model="no-cat", samples=600, seed=5, tile_size=32)

    def spec(self):
        return stubs.evaluation_pb2.EvaluationSpec(
            attacks=[wire.attack("igsm", steps=10)],
            epsilons=[wire.levels(4)], **self.SPEC)

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
        self.assertEqual(whole.results, report.results)

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


if __name__ == "__main__":
    main()
