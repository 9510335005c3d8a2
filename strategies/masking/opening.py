"""The server's part: from the sum of the survivors' masked vectors and enough shares, the sum itself."""

from collections.abc import Mapping, Sequence

from strategies.masking.member import sign_of
from strategies.masking.shares import joined, weights_at_zero
from strategies.masking.vectors import Vector

Given = Mapping[str, Mapping[str, Sequence[bytes]]]
"""Helper -> survivor -> what `member.opening` gave of it."""


def open_sum(total: Vector, members: Sequence[str], survivors: Sequence[str], given: Given, least: int) -> None:
    """Take all masks off the sum of the survivors' vectors, in place.

    Raises:
        ValueError: too few helped.
    """
    helpers = sorted(given)[:least]
    if len(helpers) < least:
        raise ValueError(f"{len(helpers)} sites helped to open the sum, and it takes {least}")
    points = {helper: members.index(helper) + 1 for helper in helpers}
    weights = weights_at_zero(list(points.values()))
    dropped = [member for member in members if member not in survivors]
    for survivor in survivors:
        for place, other in enumerate((survivor, *dropped)):
            shares = {points[helper]: given[helper][survivor][place] for helper in helpers}
            sign = 1 if other == survivor else sign_of(survivor, other)
            total.mask(joined(shares, weights), -sign)
