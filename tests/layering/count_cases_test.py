"""The CI run counts what ran, failed and skipped itself."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))), ".ci"))

import count_cases  # noqa: E402

GTEST = """[==========] 9 tests from 2 test suites ran. (5 ms total)
[  PASSED  ] 6 tests.
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] A.B
"""
GTEST_FAILED = GTEST + "[  FAILED  ] 2 tests, listed below:\n[  FAILED  ] A.C\n"


class CountTest(unittest.TestCase):

    def test_outputs(self):
        for text, status, expected in (
                (GTEST, "run", (8, 0, 1)),
                (GTEST_FAILED, "fail", (6, 2, 1)),
                ("Ran 5 tests in 1.2s\n\nOK\n", "run", (5, 0, 0)),
                ("Ran 5 tests in 1.2s\n\nOK (skipped=2)\n", "run", (3, 0, 2)),
                ("Ran 5 tests in 1.2s\n\nFAILED (failures=1, errors=1, "
                 "skipped=2)\n", "fail", (1, 2, 2)),
                ("Ran 2 tests in 1s\n\nFAILED (failures=7)\n", "fail",
                 (0, 2, 0)),
                ("", "run", (1, 0, 0)),
                ("", "fail", (0, 1, 0)),
                ("", "notrun", (0, 0, 1))):
            with self.subTest(text=text, status=status):
                self.assertEqual(expected, count_cases.count(text, status))

    def test_a_crash_after_good_cases_is_a_failure(self):
        self.assertEqual((8, 1, 1), count_cases.count(GTEST, "fail"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
