"""Whether the server holds no more memory, descriptors and threads after many
calls than after some; and that each of these leaks would be noticed."""

import os
import unittest

from harness import BUILD, Server, main, needs_zoo
from soak import BOUNDS, grown, leaks, soak

LEAK = os.path.join(BUILD, "tests", "e2e", "libleak.so")


@needs_zoo
class SoakTest(unittest.TestCase):

    def rounds(self, seconds, **variables):
        server = Server(self, variables=variables)
        rounds = soak(server, seconds, round_seconds=2)
        print(variables, grown(rounds))
        server.terminate()
        self.assertEqual(0, server.wait())
        return rounds

    def test_calls_leave_nothing_behind(self):
        self.assertEqual({}, leaks(self.rounds(36)))

    def test_a_leak_for_each_connection_is_caught(self):
        for what in BOUNDS:
            with self.subTest(what):
                found = leaks(self.rounds(8, LD_PRELOAD=LEAK, ADV_LEAK=what))
                self.assertIn(what, found)

    def test_the_library_alone_leaks_nothing(self):
        self.assertEqual({}, leaks(self.rounds(8, LD_PRELOAD=LEAK)))


if __name__ == "__main__":
    main()
