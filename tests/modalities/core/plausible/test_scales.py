"""Units that change within a table, and tables whose columns merely differ in size."""

import numpy as np
import pytest

from modalities.core.plausible.scales import constant_columns, scale_problems

FEATURES = [f"f{number}" for number in range(5)]


def table(n, seed=3):
    """Columns of sizes from a thousandth to a thousand, each of a spread of about a factor of two."""
    rng = np.random.default_rng(seed)
    return 10 ** np.array([-3.0, -1, 0, 2, 3]) * np.exp(rng.normal(0, 0.7, (n, 5)))


def said(values):
    return [problem.what for problem in scale_problems(values, [f"c{row}" for row in range(len(values))], FEATURES)]


@pytest.mark.parametrize("n", [7, 25, 211])
def test_columns_of_different_sizes_are_sound(n):
    assert said(table(n)) == []


@pytest.mark.parametrize(("factor", "side"), [(1000, "larger"), (0.001, "smaller")])
def test_a_few_rows_in_another_unit_are_told_with_the_factor(factor, side):
    values = table(25)
    values[[3, 11, 20]] *= factor
    (line,) = said(values)
    assert line.startswith(
        f"the values of 3 of 25 cases are about 1,000 times {side} than those of the others (c3, c11, c20)"
    )


def test_signs_and_zeros_do_not_hide_a_unit():
    values = table(25) * np.where(np.arange(25) % 3, 1, -1)[:, None]
    values[::4, 1] = 0
    values[1::2] *= 1000
    assert said(values)[0].startswith("the values of 12 of 25 cases are about 1,000 times larger")


def test_a_code_for_missing_is_called_so_and_no_second_unit():
    values = table(40)
    values[::4, 2] = -999
    (line,) = said(values)
    assert line.endswith("of their column: -999 of f2 (10 cases, such as c0): codes for missing")
    values = table(40)
    values[[3, 8], 0], values[5, 1], values[[1, 2], 4] = 99, 99, 999  # once, or among the others
    (line,) = said(values)
    assert "99 of f0 (2 cases, such as c3): codes" in line


def test_one_column_of_two_units_is_told_alone():
    values = table(40)
    values[::4, 2] *= 1000
    (line,) = said(values)
    assert "f2 (10 of 40 cases, such as c0): two units in one column" in line


def test_a_column_that_is_wide_of_itself_is_not_two_units():
    values = table(211)
    values[:, 2] = 10 ** np.linspace(-6, 6, 211)
    assert said(values) == []


def test_one_value_far_out_is_told_and_one_of_a_column_that_is_mostly_zero_is_not():
    values = table(40)
    values[7, 3] *= 1e6
    (line,) = said(values)
    assert line.endswith("f3 (1)")
    rare = table(40)
    rare[:, 3] = np.where(np.arange(40) < 15, 1e-6, 2e-6)
    rare[:3, 3] = (0.01, 0.02, 0.03)
    rare[3:6, 3] = (1e-3, 2e-3, 3e-3)
    assert said(rare) == []


def test_columns_that_never_vary_are_noted_where_there_are_cases_enough():
    values = table(20)
    values[:, 1] = 4.0
    (problem,) = constant_columns(values, FEATURES)
    assert (problem.level, problem.what) == ("note", "columns that never vary here: f1")
    assert constant_columns(values[:19], FEATURES) == []
