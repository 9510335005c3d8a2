"""The phase that a study between hospitals ends with, run in a comparison, beside that comparison's exact numbers."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from modalities.core.site.cases import open_site
from simulations.arms.evaluated import over_folds
from simulations.arms.sweep import Job, gather, run_job
from simulations.cohorts.cohort import Cohort, with_features_of_data
from simulations.evidence.from_sums import evaluation, results_by_site
from simulations.report.sections.real_study import real_study
from simulations.scores.beside_exact import beside_exact
from simulations.scores.compare import compare
from simulations.studies.experiment import Protocol, prepare_folds
from tests.support import small_federation, write_sites

HOLDINGS = (("cnv", "hif"), ("cnv",), ("cnv", "hif"), ("cnv", "hif"))
N_CASES = (71, 43, 47, 59)
ARMS = ("federated", "local")
SETS = ("cnv", "hif", "fused", "fused_complete")


def carried_out(out, cv, **changes):
    """Both arms on two folds: predictions, details, what test cases hold, and the settings."""
    epochs = {f"modalities__{name}__training__epochs": 2 for name in ("cnv", "hif")}
    federation = small_federation(**epochs, **changes)
    write_sites(out / "raw", federation, HOLDINGS, N_CASES)
    frames, sources = [], {}
    for folder in sorted((out / "raw").iterdir()):
        table = pd.read_csv(folder / "cases.csv", keep_default_na=False).set_index("case_id")
        frames.append(pd.DataFrame({"label": table[federation.task.label], "site": folder.name}))
        sources[folder.name] = dict(open_site(folder, federation.task).sources)
    cohort = Cohort(pd.concat(frames), sources)
    federation = with_features_of_data(federation, cohort, out)
    folds = prepare_folds(cohort, federation, Protocol("x", cv=cv, folds=2), out)
    for job in [Job(arm, fold) for arm in ARMS for fold in folds]:
        run_job(job)
    predictions, details = gather(folds, ARMS)
    holds = pd.concat([fold.tested(federation).holds for fold in folds])
    return predictions, details, holds, federation


@pytest.fixture(scope="module")
def random(tmp_path_factory):
    return carried_out(tmp_path_factory.mktemp("random"), "random")


@pytest.fixture(scope="module")
def by_sites(tmp_path_factory):
    return carried_out(tmp_path_factory.mktemp("sites"), "sites")


def results_of_run(run):
    predictions, details, holds, federation = run
    task = {"name": "x", "classes": list(federation.task.classes), "dropped": {}}
    results = compare(predictions, holds, task, {"seed": 0}, n_draws=1000)
    return {**results, "evaluation": evaluation(predictions, details, federation).to_plain()}


def of_set(run, arm, name):
    """An arm's rows of a SET."""
    predictions, _, holds, _ = run
    own = predictions[(predictions["arm"] == arm) & (predictions["set"] == name.removesuffix("_complete"))]
    complete = holds.index[holds.all(axis=1)]
    return own[own["case_id"].isin(complete)] if name == "fused_complete" else own


def macro(rows):
    """Over the classes."""
    return np.mean([roc_auc_score(rows["label"] == index, rows[f"p_{index}"]) for index in range(4)])


def macro_in_folds(rows, folds):
    """Of pairs of cases of one fold, counted one by one; over the classes with 5 cases, and 2 in some fold."""
    each = []
    for index in range(4):
        is_of, score, right = (rows["label"] == index).to_numpy(), rows[f"p_{index}"].to_numpy(), []
        for fold in sorted(set(folds)):
            in_class, others = score[is_of & (folds == fold)], score[~is_of & (folds == fold)]
            if min(len(in_class), len(others)) >= 2:
                right += [(a > b) + (a == b) / 2 for a in in_class for b in others]
        if right and min(is_of.sum(), (~is_of).sum()) >= 5:
            each.append(np.mean(right))
    return np.mean(each) if each else math.nan


@pytest.mark.parametrize("protocol", ["random", "by_sites"])
def test_out_of_fold_numbers_from_sums_are_the_exact_ones_within_the_bound(request, protocol):
    run = request.getfixturevalue(protocol)
    results = results_of_run(run)
    rows = {row.name: row for row in beside_exact(results)}
    assert tuple(rows) == SETS
    for name, row in rows.items():
        exact = of_set(run, "federated", name)
        assert row.n == row.n_exact == len(exact)
        assert row.exact["value"] == pytest.approx(macro(exact))
        assert row.is_within
        assert 0 < abs(row.difference) <= row.from_sums["bound"]
        for end in ("low", "high"):
            assert row.from_sums[end] == pytest.approx(row.exact[end], abs=row.from_sums["bound"] + 0.02)
        confusion = results["evaluation"]["federated"][name]["confusion"]
        assert confusion == results["arms"]["federated"][name]["confusion"]


def test_a_number_outside_of_its_bound_is_called_so(random):
    results = results_of_run(random)
    results["evaluation"]["federated"]["fused"]["macro_auroc"]["value"] += 0.05
    assert [row.name for row in beside_exact(results) if not row.is_within] == ["fused"]


def test_each_site_is_compared_with_its_own_model_on_its_own_cases(random):
    found = results_of_run(random)["evaluation"]
    assert set(found["sites"]) == {f"site_{number}" for number in (1, 2, 3, 4)}
    for site, own in found["sites"].items():
        for name in [name for name in SETS if name in own["results"]["federated"]]:
            rows = [of_set(random, arm, name) for arm in ("federated", f"local:{site}")]
            mine = [part[part["site"] == site].sort_values("case_id") for part in rows]
            values = [macro_in_folds(part, part["fold"].to_numpy()) for part in mine]
            for model, part, value in zip(("federated", "local"), mine, values, strict=True):
                assert own["results"][model][name]["n"] == len(part)
                assert own["results"][model][name]["macro_auroc"]["value"] == pytest.approx(value)
            gain = own["results"]["gain"][name]["macro_auroc"]
            assert gain["value"] == pytest.approx(values[0] - values[1])
            assert gain["low"] < gain["value"] < gain["high"]
    assert "hif" not in found["sites"]["site_2"]["results"]["federated"]
    assert found["meta"]["gain"]["fused"]["sites"] == found["gain"]["test"]["fused"]["sites"] == 4
    assert found["gain"]["test"]["fused"]["n"] == len(of_set(random, "federated", "fused"))
    assert found["out_of_fold"]["federated"] == {}


def test_where_whole_sites_are_held_out_they_are_external_and_have_no_model_of_their_own(by_sites):
    found = results_of_run(by_sites)["evaluation"]
    assert all(own["is_external"] and set(own["results"]) == {"federated"} for own in found["sites"].values())
    assert found["local"] == found["gain"]["test"] == {}
    assert found["meta"]["federated"]["fused"]["sites"] == 4


def test_their_own_models_and_the_folds_of_these_are_of_another_run(random, by_sites):
    found = results_by_site(by_sites[0], random[0], by_sites[3]).to_plain()
    mine = [
        part[part["site"] == "site_3"].sort_values("case_id")
        for part in (of_set(by_sites, "federated", "fused"), of_set(random, "local:site_3", "fused"))
    ]
    values = [macro_in_folds(part, mine[1]["fold"].to_numpy()) for part in mine]
    gain = found["sites"]["site_3"]["results"]["gain"]["fused"]["macro_auroc"]
    assert gain["value"] == pytest.approx(values[0] - values[1])
    assert found["meta"]["gain"]["fused"]["sites"] == 4


def test_under_masks_the_sums_are_the_same(tmp_path, random):
    masked = carried_out(tmp_path, "random", privacy__masking="required")
    rows = beside_exact(results_of_run(masked))
    assert [row.n for row in rows] == [row.n for row in beside_exact(results_of_run(random))]
    assert all(row.is_within for row in rows)


def test_a_run_without_the_phase_has_no_such_numbers(random):
    predictions, details, _, federation = random
    before = {"federated": [details["federated"][0], {}]}
    assert over_folds([details["federated"][0]["evaluation"], {}]) is None
    assert evaluation(predictions, before, federation) is None
    assert beside_exact({"arms": {"federated": {}}}) == []


@pytest.mark.parametrize(("protocol", "tables"), [("random", 3), ("by_sites", 2)])
def test_the_report_shows_them(request, protocol, tables):
    results = results_of_run(request.getfixturevalue(protocol))
    section = real_study(results)
    assert len(section.tables) == tables
    assert [row[0] for row in section.tables[0].rows] == ["cnv", "hif", "Fused, any case", "Fused, complete cases"]
    whole = results["evaluation"]["meta"]["federated"]["fused_complete"]
    ends = f"{whole['prediction_low']:.3f} to {whole['prediction_high']:.3f}"
    assert ends in {row[3] for row in section.tables[-1].rows}
