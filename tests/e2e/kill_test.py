"""kill -9 at 20 random moments of evaluations that nobody asks for again: they
go on by themselves, and their reports are those of a server that nothing
happened to, to the byte."""

import os
import random
import time

import wire
from harness import Server, main, needs_zoo, stubs, temporary_folder
from lasting import LastingCase, without_environment

KILLS = 20
LONGEST_LIFE = 1.5  # seconds of a server after it serves


def spec(seed):
    return stubs.evaluation_pb2.EvaluationSpec(
        model="no-cat", samples=96, tile_size=16, seed=seed,
        attacks=[wire.attack("pgd", steps=4), wire.attack("apgd", steps=5),
                 wire.attack("square", queries=20)],
        epsilons=[wire.levels(1), wire.levels(2)])


@needs_zoo
class KillTest(LastingCase):

    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("ADV_SEED", time.time_ns() % 10**6))
        print(f"ADV_SEED={seed}")
        self.random = random.Random(seed)

    def service(self, server):
        return wire.service(wire.connect(self, server.address))

    def test_evaluations_outlive_kills(self):
        state = temporary_folder(self)
        server = Server(self, state=state)
        ids = [self.ask(self.service(server), spec(0))]
        kills = []
        while len(kills) < KILLS:
            time.sleep(self.random.uniform(0, LONGEST_LIFE))
            now = self.get(self.service(server), ids[-1])
            server.kill()
            server = Server(self, state=state)
            if now.state == self.states.EVALUATION_STATE_SUCCEEDED:
                ids.append(self.ask(self.service(server), spec(len(ids))))
            else:
                kills.append((len(ids) - 1, now.samples_done))
        print(f"killed at (evaluation, samples done): {kills}")

        service = self.service(server)
        fresh = self.service(Server(self))
        for seed, evaluation_id in enumerate(ids):
            expected = self.end(fresh, self.ask(fresh, spec(seed)))
            self.assertEqual(evaluation_id, expected.id)
            self.assert_report(service, evaluation_id,
                               without_environment(expected.report))
        print(f"{len(ids)} reports are the same to the byte")


if __name__ == "__main__":
    main()
