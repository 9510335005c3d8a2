"""Rounds of a site in a study that keeps an epsilon."""

import dataclasses
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from client.node.home import Home
from client.study import private
from client.study.private import private_part, private_units
from client.study.rounds import train_part
from client.study.session import ClientStudy
from client.study.spent import read_spent
from modalities import table
from modalities.core.blocks.branch import build_branch, weights_of
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.settings.privacy import Privacy
from modalities.core.site.store import SiteData
from strategies.private.accounting import noise_multiplier
from strategies.private.clipping import bound_in_units
from tests.support import features_of, write_sites

_TABLE = {"kind": "table", "preset": "private", "features": features_of("table"), "ranges": {"*": [-2.0, 2.0]}}
N_INPUTS, N_CASES = 12, 13


def federation_with(privacy: dict | None = None, **section: object) -> Federation:
    asked = {"epsilon": 8.0, "masking": "simulated", **(privacy or {})}
    return federation_from(
        {"seed": 3, "fusion": {"preset": "private"}, "privacy": asked, "modalities": {"hif": {**_TABLE, **section}}}
    )


@pytest.fixture
def site(tmp_path):
    """The folder of a made-up site whose 13 training cases have the table."""
    write_sites(tmp_path, federation_with(), holdings=[("hif",)], n_cases=[29])
    return tmp_path / "site_1"


def study_of(folder: Path, federation: Federation, holders: int = 13, home: Home | None = None) -> ClientStudy:
    state = table.public_state(federation.modalities["hif"])
    return ClientStudy(SiteData(folder, federation), {"hif": state}, {"hif": "digest"}, (), {"hif": holders}, home)


def branch_of(study: ClientStudy, scale: float = 0.5) -> torch.nn.Module:
    """A branch with weights that are not 0."""
    config = study.federation.modalities["hif"]
    branch = build_branch(config, study.states["hif"], study.federation.n_classes, seed=1)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for values in branch.parameters():
            values.copy_(scale * torch.randn(values.shape, generator=generator))
    return branch


def asked(study: ClientStudy, server_round: int = 1) -> dict[str, np.ndarray]:
    branch = branch_of(study)
    return private_units(study, branch, "hif", weights_of(branch), server_round)


def without_noise(monkeypatch) -> None:
    monkeypatch.setattr(private, "discrete_gaussian", lambda sigma, size, bits: np.zeros(size, dtype=np.int64))


def flat(units: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([units[name].ravel() for name in sorted(units)])


def test_without_noise_and_with_a_bound_nobody_reaches_a_round_is_one_step_of_gradient_descent(site, monkeypatch):
    without_noise(monkeypatch)
    federation = federation_with({"clip": 1e4, "cases": N_CASES})
    study = study_of(site, federation)
    branch = branch_of(study)
    sent = weights_of(branch)
    moved, metrics = private_part(study, branch, "hif", sent, 1)
    plain = dataclasses.replace(study, data=SiteData(site, dataclasses.replace(federation, privacy=Privacy())))
    expected, _ = train_part(plain, "hif", sent, 1, 0.0)
    assert metrics == {"num-examples": N_CASES}
    for name, array in expected.items():
        assert not np.array_equal(array, sent[name])
        assert moved[name] == pytest.approx(array, abs=2e-6)
        assert moved[name].dtype == np.float32


@pytest.mark.parametrize("hidden", [[], [5]])
def test_a_case_added_or_removed_moves_the_sum_by_no_more_than_the_bound(site, monkeypatch, hidden):
    without_noise(monkeypatch)
    federation = federation_with({"clip": 0.1}, hidden=hidden)
    whole = study_of(site, federation)
    data = whole.training("hif")
    bound = bound_in_units(0.05 * 0.1 * math.sqrt(N_INPUTS + 1), 1)
    everyone, moves = flat(asked(whole)), []
    for absent in range(N_CASES):
        left = dataclasses.replace(data, folds=np.where(np.arange(N_CASES) == absent, -1, data.folds))
        monkeypatch.setattr(ClientStudy, "training", lambda self, name, left=left: left)
        moves.append(float(np.linalg.norm((flat(asked(whole)) - everyone).astype(np.float64))))
        monkeypatch.undo()
        without_noise(monkeypatch)
    assert max(moves) <= bound
    assert max(moves) > 0.99 * bound  # most cases are cut to it


def test_weights_that_make_gradients_infinite_are_told_nothing(site, monkeypatch):
    without_noise(monkeypatch)
    study = study_of(site, federation_with())
    branch = branch_of(study)
    with torch.no_grad():
        branch.head.weight[0, 0] = math.nan
    sent = {**weights_of(branch), "head.weight": np.zeros((4, N_INPUTS), np.float32)}  # no ridge in the way
    units = private_units(study, branch, "hif", sent, 1)
    assert all((array == 0).all() for array in units.values())


def test_the_noise_that_sites_add_has_the_variance_that_the_accountant_asked_for(site):
    federation = federation_with()
    study = study_of(site, federation, holders=13)  # opened from 9 sites on, of which one is not counted
    total, bound = np.zeros(20_000, dtype=np.int64), bound_in_units(0.3, N_CASES)
    noise = private._noise(study, "hif", weights_of(branch_of(study)), 1, total, bound)
    sigma = noise_multiplier(8.0, 1e-5, 60) * bound / math.sqrt(8)
    assert np.square(noise / sigma).mean() == pytest.approx(1.0, abs=5 * math.sqrt(2 / 20_000))


def test_a_real_site_adds_no_share_of_noise_without_masks(site):
    study = study_of(site, federation_with(), home=Home(site))
    with pytest.raises(ValueError, match="hif: noise shared out over sites hides nothing without masks"):
        asked(study)


def test_the_same_question_gets_the_same_answer_and_every_other_fresh_noise(site, monkeypatch):
    study = study_of(site, federation_with())
    first = flat(asked(study))
    assert np.array_equal(first, flat(asked(study)))
    assert not np.array_equal(first, flat(asked(study, server_round=2)))
    noise = partial(private._noise, study, "hif", weights_of(branch_of(study)), 1)
    one, other = np.zeros(300, dtype=np.int64), np.ones(300, dtype=np.int64)
    # other cases under the same question: were the noise the same, the difference of both answers would be a patient
    assert not np.array_equal(noise(one, 1 << 30), noise(other, 1 << 30))


def test_what_dropout_hides_is_the_same_for_the_same_question_whatever_was_drawn_before(site, monkeypatch):
    """Else the difference of two answers to one question would tell of a patient without spending anything."""
    without_noise(monkeypatch)
    study = study_of(site, federation_with(hidden=[5], dropout=0.4))
    branch, answers = branch_of(study), []
    for drawn_before in (1, 2):
        torch.manual_seed(drawn_before)
        answers.append(flat(private_units(study, branch, "hif", weights_of(branch), 1)))
    assert np.array_equal(*answers)
    assert answers[0].any()


def test_a_reply_holds_the_public_number_of_cases_and_no_loss(site):
    study = study_of(site, federation_with({"cases": 77}))
    _, metrics = train_part(study, "hif", weights_of(branch_of(study)), 1, 0.0)
    assert metrics == {"num-examples": 77}


def test_under_masks_the_weights_give_back_whole_units(site):
    federation = federation_with({"masking": "required"})
    study = study_of(site, federation)
    branch = branch_of(study)
    sent = weights_of(branch)
    moved, metrics = private_part(study, branch, "hif", sent, 1)
    units = asked(study)
    for name, array in moved.items():
        change = metrics["num-examples"] * np.subtract(array, sent[name], dtype=np.float64)  # as masks are put on it
        assert np.array_equal(np.rint(change * 2.0**37).astype(np.int64), units[name])


def test_weights_that_float64_cannot_keep_exact_are_refused(site):
    study = study_of(site, federation_with({"masking": "required"}))
    branch = branch_of(study, scale=1e5)
    with pytest.raises(ValueError, match="hif: weights too large for noise to stay exact"):
        private_part(study, branch, "hif", weights_of(branch), 1)


def test_a_site_that_lost_its_secret_draws_other_noise_and_counts_it(site):
    home = Home(site)
    study = study_of(site, federation_with({"masking": "required"}), home=home)
    first = flat(asked(study))
    home.noise_key.unlink()
    assert not np.array_equal(first, flat(asked(study)))
    assert read_spent(home).given(study.federation.digest) == 2


def test_a_round_beyond_those_accounted_for_is_refused(site):
    study = study_of(site, federation_with())
    with pytest.raises(ValueError, match=r"hif: round 61 of 60, and epsilon accounts for no more"):
        asked(study, server_round=61)


def test_a_real_site_books_the_study_and_every_release(site):
    home = Home(site)
    study = study_of(site, federation_with({"masking": "required"}), home=home)
    first, again, second = flat(asked(study)), flat(asked(study)), flat(asked(study, server_round=2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    spent = read_spent(home)
    assert [booking["epsilon"] for booking in spent.bookings] == [8.0]
    assert spent.given(study.federation.digest) == 2
    assert home.noise_key.stat().st_mode & 0o077 == 0
    assert len(home.noise_key.read_bytes()) == 32
    assert list(home.noise_key.parent.glob("*.part")) == []  # no copy of the secret lies beside it
