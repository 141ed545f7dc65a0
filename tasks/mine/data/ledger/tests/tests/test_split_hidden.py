import unittest

from ledger.split import split, split_by_weight


class Split(unittest.TestCase):
    def test_left_over_cents_go_to_the_first(self) -> None:
        self.assertEqual(split(1000, 3), [334, 333, 333])
        self.assertEqual(split(1001, 3), [334, 334, 333])

    def test_more_people_than_cents(self) -> None:
        self.assertEqual(split(2, 5), [1, 1, 0, 0, 0])

    def test_debts_add_up_too(self) -> None:
        self.assertEqual(sum(split(-1000, 3)), -1000)


class ByWeight(unittest.TestCase):
    def test_shares_add_up(self) -> None:
        self.assertEqual(sum(split_by_weight(1000, [1, 1, 1])), 1000)

    def test_the_largest_remainder_first(self) -> None:
        self.assertEqual(split_by_weight(100, [3, 3, 1]), [43, 43, 14])

    def test_even(self) -> None:
        self.assertEqual(split_by_weight(900, [2, 1]), [600, 300])

    def test_no_weight(self) -> None:
        with self.assertRaises(ValueError):
            split_by_weight(900, [0, 0])
