import pytest

from strategies.private.shares import honest_sites, least_answering, site_sigma


@pytest.mark.parametrize(("n_sites", "least"), [(1, 1), (2, 2), (3, 3), (5, 4), (9, 7), (13, 9), (100, 67)])
def test_a_sum_is_opened_with_more_than_two_thirds(n_sites, least):
    assert least_answering(n_sites) == least


def test_the_study_may_ask_for_more_sites():
    assert least_answering(13, min_holders=11) == 11
    assert least_answering(3, min_holders=11) == 3


def test_colluders_are_taken_off_and_one_site_at_least_is_left():
    assert honest_sites(13, 1, 1) == 8
    assert honest_sites(3, 1, 5) == 1


def test_the_honest_sites_alone_make_up_all_of_the_noise():
    # 9 honest sites each add 1/3 of 4 x 3e6
    assert site_sigma(4.0, 3_000_000, 9) == 4_000_000
    assert site_sigma(4.0, 3_000_001, 9) == 4_000_002  # 4,000,001.33, rounded up


def test_noise_finer_than_the_grid_is_refused():
    with pytest.raises(ValueError, match="too fine for the grid: raise"):
        site_sigma(4.0, 3, 9)
