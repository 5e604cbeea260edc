"""Two ways to do the same work, measured side by side in one run."""

import dataclasses
import math
import statistics

LEAST_PAIRS = 7


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Raw seconds, pair by pair, and how many times faster A is than B."""

    a: list
    b: list

    @property
    def ratios(self):
        return [b / a for a, b in zip(self.a, self.b)]

    @property
    def ratio(self):
        return statistics.median(self.ratios)

    @property
    def interval(self):
        return median_interval(self.ratios)


def median_interval(values, confidence=.95):
    """Two of the values between which the median of their distribution lies
    with at least this confidence (order statistics, no assumption about the
    distribution); the extremes if there are too few values for it."""
    ordered = sorted(values)
    size = len(ordered)
    outside, rank = 0.0, 0
    while rank < (size - 1) // 2:
        # Adds P(fewer than rank + 1 values on one side), both sides.
        outside += 2 * math.comb(size, rank) / 2**size
        if 1 - outside < confidence:
            break
        rank += 1
    rank = max(rank - 1, 0)
    return ordered[rank], ordered[size - 1 - rank]


def compare(a, b, pairs=LEAST_PAIRS):
    """Runs a() and b(), which return seconds, in the order A B B A A B B A
    ... after one run of each that does not count."""
    a(), b()
    measured = Comparison([], [])
    for pair in range(pairs):
        order = [(a, measured.a), (b, measured.b)]
        for work, seconds in order if pair % 2 == 0 else reversed(order):
            seconds.append(work())
    return measured
