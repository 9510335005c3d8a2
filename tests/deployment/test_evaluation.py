"""A masked deployment that trains at three sites and ends with how good its model is, with one more to validate it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, roc_auc_score

from modalities.core.release.release import open_release
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.site.store import SiteData
from tests.deployment.machine import NGINX, STUDY_S, Machine
from tests.evaluated import brier, only_evaluates
from tests.support import KINDS, features_of

NAMES = ("site_1", "site_2", "site_3", "site_4")
HOLDINGS, N_CASES = (("cnv", "hif"),) * 4, (161, 143, 117, 153)
BOUND = 0.003
pytestmark = [pytest.mark.slow, pytest.mark.timeout(STUDY_S + 300)]


@dataclass(frozen=True)
class Ended:
    """A study whose `run` ended, and what the model says of every test case."""

    machine: Machine
    said: str
    """By `status`, on the console."""
    ran: str
    """By `run`, into a file."""
    model: dict[str, Any]
    """model.json."""
    labels: np.ndarray
    probabilities: np.ndarray
    is_complete: np.ndarray
    """Whether the case has every modality."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    machine, federation = Machine(tmp_path_factory.mktemp("d")), _federation()
    machine.set_up(federation, "nginx" if NGINX else "builtin", HOLDINGS, N_CASES, sites=len(NAMES))
    only_evaluates(machine.sites / "site_4")
    try:
        machine.open()
        machine.join(*NAMES)
        ran = machine.call("server", "run", machine.study.folder, timeout=STUDY_S)
        said = machine.type_in("server", "status", machine.study.folder)
        release = machine.study.run / "release"
        model = json.loads((release / "model.json").read_text())
        yield Ended(machine, said, ran, model, *_scored_in_one_place(machine, release, federation))
    finally:
        machine.end_all()


def _federation() -> Federation:
    """Linear branches, and enough rounds and cases for probabilities that differ from case to case."""
    modalities = {
        name: {
            "kind": kind,
            "features": features_of(kind),
            "training": {"lr": 0.005},
            "federated": {"rounds": 8, "patience": 0, "local_epochs": 2},
        }
        for name, kind in KINDS.items()
    }
    fusion = {"folds": 2, "rounds": 10}
    return federation_from({"seed": 3, "privacy": {"masking": "required"}, "fusion": fusion, "modalities": modalities})


def _scored_in_one_place(
    machine: Machine, release: Path, federation: Federation
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read from the sites' own case lists: those that `split` keeps for testing, and all of the site that validates."""
    fitted = open_release(release).fitted()
    labels, probabilities, complete = [], [], []
    for name in NAMES:
        table = pd.read_csv(machine.sites / name / "cases.csv").set_index("case_id")
        case_ids = list(table.index if name == "site_4" else table.index[table["split"] == "test"])
        data = SiteData(machine.sites / name, federation)
        cases = {own: data.cases(own) for own in HOLDINGS[0]}
        held = [{*own.case_ids} & {*case_ids} for own in cases.values()]
        case_ids = [case_id for case_id in case_ids if any(case_id in own for own in held)]
        labels += [federation.task.classes.index(table.loc[case_id, "label"]) for case_id in case_ids]
        probabilities.append(fitted.probabilities(fitted.outputs(cases, case_ids)))
        complete += [all(case_id in own for own in held) for case_id in case_ids]
    return np.array(labels), np.concatenate(probabilities), np.array(complete)


@pytest.mark.parametrize("of", ["fused", "fused_complete"])
def test_the_printed_numbers_are_those_of_all_test_cases_in_one_place(ended, of):
    rows = ended.is_complete if of == "fused_complete" else np.ones(len(ended.labels), dtype=bool)
    labels, probabilities = ended.labels[rows], ended.probabilities[rows]
    found, predicted, classes = ended.model["evaluation"]["federated"][of], probabilities.argmax(axis=1), range(4)
    aurocs = [roc_auc_score(labels == c, probabilities[:, c]) for c in classes]
    assert found["n"] == len(labels)
    names = ended.model["federation"]["task"]["classes"]
    assert [found["n_by_class"][name] for name in names] == np.bincount(labels, minlength=4).tolist()
    assert found["macro_auroc"]["bound"] <= BOUND
    assert abs(found["macro_auroc"]["value"] - np.mean(aurocs)) <= found["macro_auroc"]["bound"]
    for own, exact in zip([found["auroc"][name] for name in names], aurocs, strict=True):
        assert abs(own["value"] - exact) <= own["bound"]
    assert found["brier"]["value"] == pytest.approx(brier(labels, probabilities), abs=1e-6)
    assert found["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(labels, predicted), abs=1e-9)
    assert found["confusion"] == confusion_matrix(labels, predicted, labels=classes).tolist()
    assert found["ece"]["low"] <= found["ece"]["value"] <= found["ece"]["high"]


def test_the_sites_gain_over_their_own_models_and_the_console_says_so(ended):
    gain = ended.model["evaluation"]["gain"]["test"]["fused"]
    assert gain["sites"] == 3
    assert gain["macro_auroc"]["low"] > 0
    assert gain["verdict"] in ("superior", "not inferior")
    for said in (ended.said, ended.ran):
        assert "evaluation" in said
        assert gain["verdict"] in " ".join(said.split())
        assert "site_4 (evaluates" in said


def test_report_results_and_card_hold_what_the_release_says(ended):
    machine, study = ended.machine, ended.machine.study
    machine.call("server", "report", study.folder)
    found = json.loads((study.folder / "report" / "results.json").read_text())
    assert found["evaluation"] == ended.model["evaluation"]
    fused, local = (ended.model["evaluation"][model]["fused"] for model in ("federated", "local"))
    page = _text_of((study.folder / "report" / "report.html").read_text())
    card = _text_of((study.run / "release" / "README.md").read_text())
    for what in ("macro_auroc", "balanced_accuracy", "brier", "ece"):
        assert f"{fused[what]['value']:.3f}" in page, what
        assert f"{fused[what]['value']:.3f}" in card, what
    for estimate in (*fused["auroc"].values(), local["macro_auroc"]):
        assert f"{estimate['value']:.3f}" in page
    for name, counts in zip(ended.model["federation"]["task"]["classes"], fused["confusion"], strict=True):
        assert f"{fused['auroc'][name]['value']:.3f}" in card
        assert f"| {name} | {' | '.join(map(str, counts))} |" in card
    gain = ended.model["evaluation"]["gain"]["test"]["fused"]
    for text in (page, card):
        assert gain["verdict"] in text.lower()
        assert f"{gain['macro_auroc']['value']:+.3f}" in text
    assert 'alt="Confusion matrices of the federated model' in page


def _text_of(page: str) -> str:
    return " ".join(page.split())


def test_the_release_scored_again_without_training_has_the_same_numbers(ended):
    """The same sites, cases and model; a file that is not as signed is refused before any site is asked."""
    machine, study = ended.machine, ended.machine.study
    release = study.run / "release"
    said = machine.call("server", "evaluate", release, study.folder, "--key", study.release_public_key, timeout=STUDY_S)
    assert "scored by 4 sites" in " ".join(said.split())
    (path,) = study.run.glob("evaluations/*/evaluation.json")
    found, before = json.loads(path.read_text()), ended.model["evaluation"]
    for model in ("federated", "local", "prior"):
        assert found[model] == before[model]
    assert found["gain"]["test"] == before["gain"]["test"]
