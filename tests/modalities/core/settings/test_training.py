"""Settings of training: ranges."""

import pytest

from modalities.core.settings.training import Federated, Training


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"beta_1": 1.0}, r"beta_1\n  Input should be less than 1 "),
        ({"beta_2": -0.1}, r"beta_2\n  Input should be greater than or equal to 0 "),
        ({"server_momentum": 0.0}, r"server_momentum\n  Input should be greater than 0 "),
        ({"trim_share": 0.5}, r"trim_share\n  Input should be less than 0.5 "),
        ({"n_hostile": 0}, r"n_hostile\n  Input should be greater than or equal to 1 "),
        ({"min_holders": 0, "absent": "stop"}, r"(?s)min_holders\n .*absent\n  Input should be 'wait' or 'skip' "),
    ],
)
def test_settings_out_of_range_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Federated(**settings)


def test_class_counts_are_needed_only_by_settings_that_use_them():
    assert not Training().needs_class_counts
    assert Training(class_weight_exponent=0.25).needs_class_counts
    assert Training(prior_correction=0.5).needs_class_counts
