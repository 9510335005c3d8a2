"""A distribution and its ends in place of a line for each of many sites."""

from strategies.report.many import ends, spread
from strategies.report.section import LONG, Table


def test_few_are_all_shown_and_many_by_their_ends():
    assert ends(range(LONG)) == {"": range(LONG)}
    shown = ends(range(1001))
    assert [*shown] == ["lowest 12 of 1,001", "highest 12"]
    assert [[*some] for some in shown.values()] == [[*range(12)], [*range(989, 1001)]]


def test_quantiles_over_sites_by_hand():
    """0, 1, ..., 100: the value at a quantile is its percentage; what is not known is not counted."""
    found = spread({"cases": [*range(101), None], "nobody": [None]}, "Cases", 0)
    assert found is not None
    assert found.rows == (("cases", "101", "0", "5", "25", "50", "75", "95", "100"),)
    assert spread({"cases": range(LONG)}, "Cases") is None


def test_a_long_table_is_folded_up():
    rows = tuple((str(number),) for number in range(LONG + 1))
    assert Table(("site",), rows).is_long
    assert not Table(("site",), rows[:LONG]).is_long
