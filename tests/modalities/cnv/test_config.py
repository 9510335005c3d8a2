"""The settings of copy number, and how calls become inputs."""

import numpy as np
import pytest

from modalities.cnv import ARMS, Config, coded, prepare, sums
from modalities.core.blocks.tabular import finalise
from modalities.core.contract import Cases


def test_calls_become_indicators_of_gained_lost_and_amplified():
    cases = Cases(("p", "q"), np.array([[2, -2], [1, np.nan]], np.float32), ("MYC", "TP53"))
    found = coded(cases, Config())
    assert found.features == (
        *("MYC gained", "TP53 gained"),
        *("MYC lost", "TP53 lost"),
        *("MYC amplified", "TP53 amplified"),
    )
    np.testing.assert_array_equal(found.values, [[1, 0, 0, 1, 1, 0], [1, np.nan, 0, np.nan, 0, np.nan]])
    assert coded(cases, Config(coding="number")) is cases
    assert coded(cases, Config(values="log2")) is cases


def test_statistics_and_inputs_are_of_the_coded_values():
    cases = Cases(("p", "q", "r"), np.array([[2, 0], [1, 0], [0, 0]], np.float32), ("MYC", "TP53"))
    total = sums(cases, Config())
    assert total["sum"].tolist() == [2, 0, 0, 0, 1, 0]
    # gained 1, 1, 0: mean 2/3, deviation sqrt(2)/3; amplified 1, 0, 0: mean 1/3, deviation the same; else constant
    found = prepare(cases, finalise(total, Config()), Config())
    assert found[:, 0].tolist() == pytest.approx([0.5**0.5, 0.5**0.5, -(2**0.5)])
    assert found[:, 4].tolist() == pytest.approx([2**0.5, -(0.5**0.5), -(0.5**0.5)])
    assert not found[:, [1, 2, 3, 5]].any()


def test_arms_are_agreed_on_without_anybody_listing_them():
    assert Config(values="arms").features == list(ARMS)
    assert Config(values="arms", features=["8q", "1q"]).features == ["8q", "1q"]
    assert Config(values="log2").features == []


def test_arms_stay_numbers():
    cases = Cases(("p",), np.array([[0.4, -1.2]], np.float32), ("1q", "8p"))
    assert coded(cases, Config(values="arms", arms_from="calls")) is cases


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"values": "segments"}, r"values\n  Input should be 'calls', 'log2' or 'arms' "),
        ({"arms_from": "peaks"}, r"arms_from\n  Input should be 'log2' or 'calls' "),
        ({"coding": "onehot"}, r"coding\n  Input should be 'number' or 'indicators' "),
    ],
)
def test_settings_out_of_range_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Config(**settings)
