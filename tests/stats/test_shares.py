"""Intervals by resampling whole clusters: which draw is the end of one."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.shares import percentiles


@pytest.mark.parametrize(("groups", "low"), [(10**9, 2.5), (10, 100 * 0.008558)])
def test_the_ends_are_the_draws_of_their_rank(groups, low):
    """Of 99 draws 1 to 99 the 2.5 % quantile is 2.5: a hundredth of the chance lies below the first and above the last.

    With 10 clusters the tail is that of a normal beyond t(9) * sqrt(10 / 9) = 2.385: 0.00856 (Hesterberg 2015).
    """
    found = percentiles(np.arange(1.0, 100.0), groups)
    assert (found.low, found.high) == pytest.approx((max(low, 1), min(100 - low, 99)), abs=1e-4)
