import pytest

from strategies.private.accounting import (
    confirmed_multiplier,
    delta_of,
    epsilon_by_pld,
    epsilon_of,
    noise_multiplier,
)


def test_delta_is_what_tables_of_the_normal_distribution_give():
    # Phi(-.5) - e Phi(-1.5) = .308538 - 2.718282 x .066807
    assert delta_of(1.0, 1.0) == pytest.approx(0.126937, abs=2e-6)
    assert delta_of(1.0, 0.0) == pytest.approx(2 * 0.691462 - 1, abs=2e-6)  # the total variation: 2 Phi(.5) - 1


def test_sixty_releases_at_epsilon_eight_ask_for_the_published_multiplier():
    assert noise_multiplier(8.0, 1e-5, 60) == pytest.approx(4.65, abs=0.005)
    assert epsilon_of(4.65, 1e-5, 60) == pytest.approx(8.0, abs=0.005)


@pytest.mark.parametrize(("epsilon", "delta", "releases"), [(8.0, 1e-5, 60), (3.0, 1e-5, 180), (1.0, 1e-6, 7)])
def test_two_accountants_that_share_nothing_agree(epsilon, delta, releases):
    multiplier = noise_multiplier(epsilon, delta, releases)
    assert epsilon_of(multiplier, delta, releases) == pytest.approx(epsilon, rel=1e-6)
    assert epsilon_by_pld(multiplier, delta, releases) == pytest.approx(epsilon, rel=0.005)
    assert confirmed_multiplier(epsilon, delta, releases) == multiplier


def test_four_times_the_releases_need_twice_the_noise():
    assert noise_multiplier(5.0, 1e-5, 80) == pytest.approx(2 * noise_multiplier(5.0, 1e-5, 20))


def test_noise_that_drowns_everything_tells_nothing():
    assert epsilon_of(1e7, 1e-5, 3) == 0.0


def test_less_noise_than_epsilon_asks_for_is_not_confirmed(monkeypatch):
    too_little = noise_multiplier(9.0, 1e-5, 60)
    monkeypatch.setattr("strategies.private.accounting.noise_multiplier", lambda *asked: too_little)
    with pytest.raises(ValueError, match=r"disagree: epsilon 8 by the formula, 9\.0"):
        confirmed_multiplier(8.0, 1e-5, 60)


def test_no_noise_at_all_is_no_answer_to_an_epsilon_without_end():
    with pytest.raises(ValueError, match="no noise gives epsilon 1e\\+06 at delta 1e-05"):
        noise_multiplier(1e6, 1e-5, 3)


def test_far_out_in_the_tail_nothing_overflows():
    assert delta_of(0.01, 900.0) == 0.0
    assert delta_of(50.0, 900.0) == pytest.approx(1.0)
