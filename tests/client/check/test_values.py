"""What the values of one site tell by themselves: units, twins, absent features."""

import numpy as np
import pytest

from client.check.twins import twins
from client.check.values import absent_values, plausibility, told
from modalities.clinical.dictionary import BY_NAME, encode
from modalities.core.contract import Cases, Source
from modalities.core.settings.federation import federation_from

N, N_FEATURES = 23, 31


def config(kind, **settings):
    return federation_from({"modalities": {"m": {"kind": kind, **settings}}}).modalities["m"]


def cases(values, features=()):
    names = features or tuple(f"f{number}" for number in range(values.shape[1]))
    return Cases(tuple(f"c{row}" for row in range(len(values))), values.astype(np.float32), names)


@pytest.fixture
def ratios():
    return np.random.default_rng(1).normal(0, 0.4, (N, N_FEATURES))


def test_a_category_that_no_case_has_counts_as_absent():
    records = [{"age": 61.0, "er": "positive"}, {"er": "negative"}]
    names = [*BY_NAME["age"].features, *BY_NAME["er"].features, *BY_NAME["pr"].features]
    rows = np.array([encode(record, tuple(BY_NAME[name] for name in ("age", "er", "pr"))) for record in records])
    ((level, what),) = said(rows, config("clinical", features=names), names)
    assert level == "warning"
    assert what == ("3 of the 7 agreed features (43%) have no value: pr=positive, pr=negative, pr=indeterminate")


def said(values, settings, features=()):
    read = cases(values, features)
    plausible = plausibility("file", Source(()), read, settings)
    problems = [*absent_values("file", read, settings), *plausible.problems, *twins({"m": told(read, plausible)})]
    return [(one.level, one.what) for one in problems]


def test_sound_values_say_nothing(ratios):
    assert said(ratios, config("cnv", values="log2")) == []
    assert said(np.sign(ratios), config("cnv", values="calls")) == []
    assert said(ratios, config("table")) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda ratios: 2 * 2**ratios, r"no value is below 0, and half are above 0\.8, .*: numbers of copies"),
        (np.sign, "whole numbers from -2 to 2 only in 23 of 23 cases .*: calls, as GISTIC's"),
        (lambda ratios: ratios * 100, r"values beyond \+-10 in 23 of 23 cases .*: no log2 ratios"),
    ],
)
def test_values_that_are_no_log2_ratios_are_told(ratios, change, what):
    ((level, words),) = said(change(ratios), config("cnv", values="log2"))
    assert level == "warning"
    with pytest.raises(ValueError, match=f"^{what}"):
        raise ValueError(words)


def test_calls_that_are_all_0_are_told():
    ((level, what),) = said(np.zeros((5, 7)), config("cnv"))
    assert (level, what) == (
        "warning",
        "no gain and no loss in 5 of 5 cases (c0, c1, c2, c3, c4): these may be normal samples, or calls that were "
        "made with another threshold",
    )


def test_a_unit_that_changes_within_a_column_is_told(ratios):
    ratios[:2, 4] = 1e6
    ((level, what),) = said(ratios, config("table"))
    assert (level, what.split(": ")[1]) == ("warning", "f4 (2)")


def test_a_column_that_never_varies_is_noted(ratios):
    ratios[:, 3] = 7
    assert said(ratios, config("table")) == [("note", "columns that never vary here: f3")]


def test_cases_with_the_very_same_values_are_told(ratios):
    ratios[11] = ratios[2]
    assert said(ratios, config("table")) == [
        (
            "warning",
            "1 pairs of cases have the very same values (c2 and c11): one patient under two ids, or a row copied",
        )
    ]


def test_cases_with_few_values_may_be_the_same():
    assert said(np.tile([1.0, -1.0, 0.0], (N, 9)), config("cnv")) == []


@pytest.mark.parametrize(("n_absent", "level"), [(1, "note"), (7, "warning"), (N_FEATURES, "error")])
def test_absent_features_of_the_agreed_list_are_counted(ratios, n_absent, level):
    names = tuple(f"g{number}" for number in range(N_FEATURES))
    ratios[:, :n_absent] = np.nan
    ((found, what),) = said(ratios, config("table", features=list(names)), features=names)
    assert found == level
    assert what.startswith(f"{n_absent} of the 31 agreed features ({n_absent / 31:.0%}) have no value: g0")
