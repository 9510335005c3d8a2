import numpy as np
import pytest

from strategies.masking.numbers import WEIGHTS, Change, add_wide, decoded_wide, encoded_wide, negated_wide


def test_wide_numbers_are_exact_to_the_64th_binary_place():
    values = np.array([0.0, 1.5, -1.5, 2.0**-64, -(2.0**-64), -(2.0**-70), 1e15 + 0.25, -1e15 - 0.25, 0.1, -1e-9])
    back = decoded_wide(encoded_wide(values, 3))
    assert back[:8].tolist() == [*values[:5], 0.0, *values[6:8]]
    assert 0 < np.abs(back[8:] - values[8:]).max() < 2.0**-64 * 1.5


def test_wide_numbers_carry_from_word_to_word():
    total = encoded_wide(np.array([0.75, -0.25, 2.0**40]), 2)
    add_wide(total, encoded_wide(np.array([0.75, 0.25, -(2.0**40) - 0.5]), 2))
    assert decoded_wide(total).tolist() == [1.5, 0.0, -0.5]


def test_a_number_and_its_complement_add_up_to_nothing():
    values = encoded_wide(np.array([3.25, -7.0, 0.0]), 2)
    add_wide(values, negated_wide(values))
    assert not values.any()


@pytest.mark.parametrize(("bits", "fraction"), [(64, 37), (32, 15)])
def test_weights_are_rounded_by_half_of_the_smallest_fraction(bits, fraction):
    values = np.random.default_rng(3).normal(size=1001)
    error = WEIGHTS[bits].decoded(WEIGHTS[bits].encoded([values], 5)) - values
    assert 2.0 ** -(fraction + 2) < np.abs(error).max() <= 2.0 ** -(fraction + 1) == WEIGHTS[bits].rounding


def test_a_number_that_could_overflow_in_the_sum_is_refused():
    assert (WEIGHTS[64].bound(1), WEIGHTS[32].bound(4)) == (2.0**26, 2.0**14)
    WEIGHTS[32].encoded([np.array([-(2.0**14) + 1])], 4)
    with pytest.raises(ValueError, match=r"1\.64e\+04 is too large .* below 1\.64e\+04"):
        WEIGHTS[32].encoded([np.array([2.0**14])], 4)
    with pytest.raises(ValueError, match="too large"):
        encoded_wide(np.array([2.0**63 / 3]), 3)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused(wrong):
    for encoded in (lambda: encoded_wide(np.array([wrong]), 3), lambda: WEIGHTS[64].encoded([np.array([wrong])], 3)):
        with pytest.raises(ValueError, match="not finite"):
            encoded()


@pytest.mark.parametrize("bits", [64, 32])
def test_a_change_of_weights_is_encoded_as_if_it_had_been_worked_out_first(bits):
    """In blocks, the last one cut off, and beside other arrays."""
    rng, n_cases = np.random.default_rng(5), 79
    before = rng.normal(size=(70, 1001)).astype(np.float32)
    after = before + rng.normal(size=before.shape).astype(np.float32)
    other = rng.normal(size=(3, 2))
    worked_out = n_cases * (after.astype(np.float64) - before)
    words = WEIGHTS[bits].encoded([other, Change(before, after, n_cases), other], 3)
    numbers = [*other.ravel(), *worked_out.ravel(), *other.ravel()]
    expected = [round(float(number) * 2.0 ** WEIGHTS[bits].fraction) % 2**bits for number in numbers]
    assert words.tolist() == expected
