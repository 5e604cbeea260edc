"""The statistics of the benchmarks, on numbers known beforehand."""

import unittest

import paired


class MedianIntervalTest(unittest.TestCase):

    def test_seven_values_give_their_extremes(self):
        # P(all on one side) = 2 / 2^7 = 1.6 %; one rank in would be 12.5 %.
        self.assertEqual((1, 7), paired.median_interval([4, 2, 7, 1, 6, 3, 5]))

    def test_nine_values_lose_one_on_each_side(self):
        # Ranks 2 and 8: 1 - 2 (1 + 9) / 2^9 = 96.1 %.
        self.assertEqual((2, 8), paired.median_interval(range(1, 10)))

    def test_fewer_values_give_their_extremes(self):
        self.assertEqual((1, 3), paired.median_interval([3, 1, 2]))
        self.assertEqual((5, 5), paired.median_interval([5]))


class CompareTest(unittest.TestCase):

    def test_the_order_is_a_b_b_a_after_a_warm_up(self):
        order = []

        def work(name, seconds):
            order.append(name)
            return seconds

        found = paired.compare(lambda: work("a", 2.), lambda: work("b", 3.), 3)
        self.assertEqual("ab" + "ab" + "ba" + "ab", "".join(order))
        self.assertEqual([2.] * 3, found.a)
        self.assertEqual([3.] * 3, found.b)
        self.assertEqual(1.5, found.ratio)
        self.assertEqual((1.5, 1.5), found.interval)


if __name__ == "__main__":
    unittest.main(verbosity=2)
