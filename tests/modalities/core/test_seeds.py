"""Seeds."""

from hypothesis import given
from hypothesis import strategies as st

from modalities.core.seeds import seed_of


def test_seed_never_changes_between_versions_machines_or_processes():
    assert seed_of(3, "site_1", "cnv@2", 7) == 1661438930765416809


@given(st.lists(st.text(max_size=4) | st.integers(), min_size=1, max_size=4))
def test_seed_fits_every_generator_and_repeats(parts):
    assert seed_of(*parts) == seed_of(*parts)
    assert 0 <= seed_of(*parts) < 2**63


def test_parts_do_not_run_into_each_other():
    assert len({seed_of("ab", "c"), seed_of("a", "bc"), seed_of("abc"), seed_of("a", "b", "c")}) == 4
