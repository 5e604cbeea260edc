"""Counts the test cases in ctest's JUnit file: prints "PASSED FAILED SKIPPED".

ctest knows executables only; what their GoogleTest or unittest cases came to
is read from their output, so that a case that skips itself is seen.
"""

import re
import sys
import xml.etree.ElementTree as tree

GTEST_RAN = re.compile(r"^\[=+\] (\d+) tests? from .* ran\.", re.M)
GTEST_SKIPPED = re.compile(r"^\[  SKIPPED \] (\d+) tests?, listed", re.M)
GTEST_FAILED = re.compile(r"^\[  FAILED  \] (\d+) tests?, listed", re.M)
UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.M)
UNITTEST_END = re.compile(r"^(?:OK|FAILED) \((.*)\)$", re.M)


def last(pattern, text):
    found = pattern.findall(text)
    return int(found[-1]) if found else 0


def count(text, status):
    """(passed, failed, skipped) of one ctest entry: its output and whether it
    is "run", "fail", or something else (not run)."""
    total, failed, skipped = 1, 0, 0
    if GTEST_RAN.search(text):
        total = last(GTEST_RAN, text)
        failed, skipped = last(GTEST_FAILED, text), last(GTEST_SKIPPED, text)
    elif UNITTEST_RAN.search(text):
        total = last(UNITTEST_RAN, text)
        ends = UNITTEST_END.findall(text)
        parts = dict(re.findall(r"(\w+)=(\d+)", ends[-1] if ends else ""))
        skipped = int(parts.get("skipped", 0))
        # A case with several failed subtests counts several times there.
        failed = min(int(parts.get("failures", 0)) +
                     int(parts.get("errors", 0)), total - skipped)
    elif status not in ("run", "fail"):
        skipped = 1
    if status == "fail" and not failed:  # it crashed, or ran out of time
        failed, total = 1, total + (total > 1)
    return total - failed - skipped, failed, skipped


def main():
    sums = [0, 0, 0]
    for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        for i, number in enumerate(count(output, case.get("status"))):
            sums[i] += number
    print(*sums)


if __name__ == "__main__":
    main()
