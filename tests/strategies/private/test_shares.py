import pytest

from strategies.private.shares import honest_sites, site_sigma


@pytest.mark.parametrize(("n_members", "honest"), [(3, 2), (5, 3), (9, 6), (13, 8), (100, 66)])
def test_of_more_than_two_thirds_one_is_not_counted(n_members, honest):
    assert honest_sites(n_members, least=3, colluders=1) == honest


def test_the_study_may_ask_for_more_sites_and_one_is_left_whatever_it_says():
    assert honest_sites(13, least=11, colluders=2) == 9
    assert honest_sites(3, least=11, colluders=0) == 3
    assert honest_sites(3, least=3, colluders=5) == 1


def test_the_honest_sites_alone_make_up_all_of_the_noise():
    # 9 honest sites each add 1/3 of 4 x 3e6
    assert site_sigma(4.0, 3_000_000, 9) == 4_000_000
    assert site_sigma(4.0, 3_000_001, 9) == 4_000_002  # 4,000,001.33, rounded up


def test_noise_finer_than_the_grid_is_refused():
    with pytest.raises(ValueError, match="too fine for the grid: raise"):
        site_sigma(4.0, 3, 9)


def test_noise_of_exactly_2_to_the_20_units_is_fine_enough():
    assert site_sigma(2.0, 2**20, 4) == 2**20  # 2 x 2^20 / sqrt(4)
    with pytest.raises(ValueError, match="noise of 1048575 units is too fine for the grid"):
        site_sigma(2.0, 2**20 - 1, 4)
