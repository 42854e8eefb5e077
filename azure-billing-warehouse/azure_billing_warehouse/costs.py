"""When two sums of cost are the same; every comparison of costs in this package is made here."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

ABSOLUTE_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-12


def same_cost(one: float | Decimal, other: float | Decimal) -> bool:
    """Return whether two sums are finite and differ by no more than the two tolerances together.

    The tap's sum is exact; sums of Float64 columns are not, and differ in their last digits with the order of the rows.
    The difference is taken exactly.
    """
    if not (math.isfinite(one) and math.isfinite(other)):
        return False
    first, second = Fraction(one), Fraction(other)
    return abs(first - second) <= ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * max(abs(first), abs(second))
