"""SIGTERM at random moments: whoever got into the server gets a reply.

Calls of several threads come one after the other while health watches are open.
Each call has an id, and the server's log has a line for each call that it took.
So both sides can be compared.
"""

import os
import random
import re
import threading
import unittest

import grpc

import wire
from harness import (ModuleScope, Server, main, needs_zoo, read_sample,
                     store_with, stubs)

MOMENTS = 20
CALLERS = 6
DEADLINE = 120
# Longer than a test waits for the server's end: a watch that held up the drain
# would fail the test.
GRACE_SECONDS = 300
LONGEST_WAIT = .2  # seconds from the first reply to the signal
SEED = int(os.environ.get("ADV_DRAIN_SEED", random.SystemRandom().randrange(
    2**32)))
OK, UNAVAILABLE = grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE


class Caller(threading.Thread):
    """Asks one thing after the other until the server is gone, and does not
    mind refusals."""

    def __init__(self, round_, number, requests, first_reply):
        super().__init__(daemon=True)
        self._id = f"{round_.name}-{number}"
        self._round = round_
        self._random = random.Random(self._id)
        self._requests = requests
        self._first_reply = first_reply
        self.codes = {}       # of each call, by its id
        self.replies_late = 0  # that came after the signal was sent

    def run(self):
        with grpc.insecure_channel(self._round.server.address) as channel:
            service = wire.service(channel)
            while True:
                call_id = f"{self._id}-{len(self.codes)}"
                name, request = self._random.choice(self._requests)
                try:
                    getattr(service, name)(
                        request, timeout=DEADLINE,
                        metadata=[("x-request-id", call_id)])
                except grpc.RpcError as error:
                    self.codes[call_id] = error.code()
                    if self._round.ended.is_set():
                        return
                    continue
                self.codes[call_id] = OK
                self.replies_late += self._round.signalled.is_set()
                self._first_reply.set()


class Round:
    """One server, from its start to its end."""

    def __init__(self, test, name, store, requests, moment):
        self.name = name
        self.signalled, self.ended = threading.Event(), threading.Event()
        self.server = Server(test, f"--drain-seconds={GRACE_SECONDS}",
                             "--drain-wait-seconds=0", store=store)
        watches = [self._watch(test, service) for service in
                   ("", "adv.v1.AttackEvaluationService", "model/balanced")]
        first_reply = threading.Event()
        self.callers = [Caller(self, number, requests, first_reply)
                        for number in range(CALLERS)]
        for caller in self.callers:
            caller.start()
        test.assertTrue(first_reply.wait(DEADLINE))
        threading.Event().wait(moment)
        self.signalled.set()
        self.server.terminate()
        try:
            self.exit_code = self.server.wait()
        finally:
            self.ended.set()
        for caller in self.callers:
            caller.join(DEADLINE)
        self.watch_ends = [end_of(watch) for watch in watches]

    def _watch(self, test, service):
        pb = stubs.health_pb2
        watch = stubs.health_pb2_grpc.HealthStub(
            wire.connect(test, self.server.address)).Watch(
                pb.HealthCheckRequest(service=service), timeout=DEADLINE)
        test.assertEqual(pb.HealthCheckResponse.SERVING, next(watch).status)
        return watch

    def codes(self):
        """Of each call, by its id, as its caller saw it."""
        return {call_id: code for caller in self.callers
                for call_id, code in caller.codes.items()}

    def logged(self):
        """The same as the server saw it; calls that it never took are
        missing."""
        return {found[2]: found[1] for found in re.finditer(
            r"event=rpc .*?\bcode=(\w+) .*?\brequest_id=(\S+)",
            self.server.log())}


def end_of(stream):
    """The code of a stream, after its messages."""
    try:
        list(stream)
        return OK
    except grpc.RpcError as error:
        return error.code()


@needs_zoo
class DrainTest(unittest.TestCase):

    @staticmethod
    def requests():
        """(method, request) of a few milliseconds to a few hundred."""
        pb = stubs.attack_evaluation_service_pb2
        _, images = read_sample()
        return [("Classify", pb.ClassifyRequest(
            model="balanced", images=wire.batch(images[:count]), top_k=1))
            for count in (1, 1, 16, 128)] + [
            ("GenerateAdversarial", pb.GenerateAdversarialRequest(
                model="balanced", attack=wire.attack("igsm", steps=steps),
                epsilon=wire.levels(4), images=wire.batch(images[:8])))
            for steps in (1, 8)] + [
            ("ListEvaluations", pb.ListEvaluationsRequest())] * 4

    def test_no_reply_is_lost_at_any_moment(self):
        print(f"ADV_DRAIN_SEED={SEED}")
        moments = random.Random(SEED)
        store = store_with(ModuleScope, "balanced")
        replies, late = 0, 0
        for number in range(MOMENTS):
            moment = moments.uniform(0, LONGEST_WAIT)
            with self.subTest(number=number, moment=moment):
                done = Round(self, f"{SEED}-{number}", store, self.requests(),
                             moment)
                self.check(done)
                replies += sum(code == OK for code in done.codes().values())
                late += sum(caller.replies_late for caller in done.callers)
        print(f"{replies} replies, {late} of them after a signal")
        # Some calls were under way, or nothing was shown.
        self.assertGreater(late, 0)

    def check(self, done):
        self.assertEqual(0, done.exit_code, done.server.log())
        self.assertFalse(any(caller.is_alive() for caller in done.callers))
        codes, logged = done.codes(), done.logged()
        for call_id, code in codes.items():
            if code == OK:
                self.assertEqual("OK", logged.get(call_id), call_id)
            else:
                # Refused: either before it got in, or as its first answer.
                self.assertEqual(UNAVAILABLE, code, call_id)
                self.assertIn(logged.get(call_id), (None, "UNAVAILABLE"),
                              call_id)
        self.assertLessEqual(logged.keys(), codes.keys())
        self.assertIn("event=drained", done.server.log())
        for end in done.watch_ends:
            self.assertIn(end, (UNAVAILABLE, grpc.StatusCode.CANCELLED))


if __name__ == "__main__":
    main()
