"""Real sites under masks, with keys, a roster and ledgers on their disks."""

import json

import pytest

from server.state.evaluation import results_in
from server.state.notes import INFO
from strategies.evaluation.wire import EVALUABLE, EVALUATION, OWN_EVALUATION
from tests.evaluated import only_evaluates, scored_in_one_place
from tests.masked_sites import MaskedSites
from tests.support import small_federation


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """Five, of which the last only evaluates."""
    federation = small_federation(privacy__masking="required", evaluation={"local": False})
    made = MaskedSites(tmp_path_factory.mktemp("sites"), federation)
    only_evaluates(made.root / "site_5")
    return made


@pytest.fixture(scope="module")
def study(sites):
    return sites.run(evaluates=True, timeout=30.0)


def test_all_are_in_the_sum_and_the_one_that_only_evaluates_is_called_external(sites, study):
    results = results_in(study)
    assert [(note.level, note.site) for note in study.notes] == [(INFO, "site_5")]  # it is taken in
    assert "site_5" not in study.cohorts
    assert study.evaluators == {"site_5"}
    assert [site for site, own in results.sites.items() if own.is_external] == ["site_5"]
    # Its cases are scored whatever `split` says, which the simulation's code, made for sites that train, does not do.
    trainers = scored_in_one_place(sites.root, study, sites.names[:4])
    n_external = len((sites.root / "site_5" / "cases.csv").read_text().splitlines()) - 1
    assert 0 < results.test["federated"]["fused"].n - len(trainers["fused"][0]) <= n_external


def test_every_question_stands_in_the_ledger_once(sites, study):
    del study
    for name in sites.names:
        lines = [json.loads(line) for line in sites.home(name).ledger.read_text().splitlines()]
        asked = [line["message"] for line in lines if "label" in line]
        assert [asked.count(kind) for kind in (EVALUABLE, EVALUATION, OWN_EVALUATION)] == [1, 1, 0]


def test_a_study_that_is_carried_out_again_gets_the_same_answers(sites, study):
    """A new run of the same settings asks the same, of the same sites: no ledger objects, and no number changes."""
    again = sites.run(evaluates=True, timeout=30.0)
    assert again.notes == study.notes
    assert results_in(again) == results_in(study)
