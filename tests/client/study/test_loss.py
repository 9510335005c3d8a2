"""Class weights and prior correction: by hand, over sites, and what a site must be told for them."""

import numpy as np
import pytest
import torch

from client.study.loss import Balance, balance_of
from modalities.core.settings.training import Training
from strategies.checks import CLASS_COUNTS
from tests.support import WatchedGrid, run_small, same_arrays, small_federation, write_sites

LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 0.0], [2.0, -1.0, 0.0], [0.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
LABELS = torch.tensor([0, 1, 0, 2, 0])


def test_plain_settings_leave_plain_cross_entropy():
    assert balance_of(Training(), (), LABELS) == Balance()
    plain = torch.nn.functional.cross_entropy(LOGITS, LABELS, reduction="none")
    assert torch.equal(Balance().losses(LOGITS, LABELS), plain)


def test_class_weights_by_hand():
    balance = balance_of(Training(class_weight_exponent=1.0), [20.0, 10.0, 5.0], LABELS)
    raw = np.array([35 / 20, 35 / 10, 35 / 5])
    assert balance.weights.tolist() == pytest.approx((raw * 35 / (raw * [20, 10, 5]).sum()).tolist())
    each = torch.nn.functional.cross_entropy(LOGITS, LABELS, reduction="none")
    assert balance.losses(LOGITS, LABELS).mean().item() == pytest.approx((balance.weights[LABELS] * each).mean().item())


def test_weighted_losses_of_sites_average_to_the_pooled_one():
    """Normalised within each site they would not: the sites differ in their classes."""
    balance = balance_of(Training(class_weight_exponent=0.5), [20.0, 10.0, 5.0], LABELS)
    parts = [balance.losses(LOGITS[rows], LABELS[rows]).mean() * len(rows) for rows in ([0, 2, 4], [1, 3])]
    assert (sum(parts) / 5).item() == pytest.approx(balance.losses(LOGITS, LABELS).mean().item())


def test_prior_correction_by_hand():
    balance = balance_of(Training(prior_correction=0.5), [20.0, 10.0, 10.0], LABELS)
    shares = np.array([0.5, 0.25, 0.25])
    local = (np.array([3, 1, 1]) + 3 * shares) / 8
    assert balance.weights is None
    assert balance.offsets.tolist() == pytest.approx((0.5 * np.log(local / shares)).tolist(), abs=1e-6)
    shifted = torch.nn.functional.cross_entropy(LOGITS + balance.offsets, LABELS)
    assert balance.losses(LOGITS, LABELS).mean().item() == pytest.approx(shifted.item())


def test_a_site_with_the_studys_mix_is_not_corrected():
    balance = balance_of(Training(prior_correction=1.0), [60.0, 20.0, 20.0], LABELS)
    assert balance.offsets.abs().max() < 1e-6


def test_a_class_that_a_site_or_the_study_lacks_stays_finite():
    balance = balance_of(
        Training(prior_correction=1.0, class_weight_exponent=1.0), [60.0, 40.0, 0.0], LABELS[LABELS < 2]
    )
    assert torch.isfinite(balance.offsets).all()
    assert torch.isfinite(balance.weights).all()


@pytest.mark.parametrize("setting", ["class_weight_exponent", "prior_correction"])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=rf"{setting}\n  Input should be less than or equal to 1 "):
        Training(**{setting: 1.5})


@pytest.mark.parametrize("setting", ["class_weight_exponent", "prior_correction"])
def test_sites_are_told_the_summed_class_counts_only_where_the_loss_needs_them(tmp_path, setting):
    short = {"fusion__fit": "none", **{f"modalities__{name}__federated__rounds": 1 for name in ("cnv", "hif")}}
    plain, needing = (small_federation(**short, modalities__cnv__training={setting: value}) for value in (0.0, 0.5))
    root = write_sites(tmp_path, plain, n_cases=(13, 7, 9))
    studies, told = [], []
    for federation in (plain, needing):
        grid = WatchedGrid(root)
        studies.append(run_small(root, federation, grid))
        setups = [message.content for message in grid.asked if message.metadata.message_type == "query.setup"]
        told.append([list(content["config.study"].get(CLASS_COUNTS, ())) for content in setups])
    assert told == [[[]] * 3, [studies[1].class_counts] * 3]
    part = [{"cnv": study.weights["cnv"]} for study in studies]
    assert not same_arrays(*part)
    assert same_arrays({"hif": studies[0].weights["hif"]}, {"hif": studies[1].weights["hif"]})
