"""The comparison on a small study: 3 sites, 2 modalities (one held by half of the cases), every arm."""

import json

import numpy as np
import pandas as pd
import pytest

from simulations.scores.compare import compare
from simulations.scores.metrics import case_weights, metric_draws, paired_difference

TASK = {"name": "PAM50", "classes": ["LumA", "Basal"], "dropped": {"Normal": 3}}
N = 60
CASES = [f"C{i:02}" for i in range(N)]
SITE = np.array(["north", "south", "west"])[np.arange(N) % 3]
LABEL = (np.arange(N) % 5 < 2).astype(int)
FOLD = np.arange(N) % 4
HOLDS = pd.DataFrame({"cnv": True, "hif": np.arange(N) % 2 == 0}, index=CASES)
HOLDS.loc["C59", "cnv"] = False  # holds nothing, so no arm says anything about it


def scores(strength: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=N)
    return 1 / (1 + np.exp(-(strength * (2 * LABEL - 1) + noise)))


def rows(arm: str, name: str, second: np.ndarray, kept: np.ndarray | None = None) -> pd.DataFrame:
    table = pd.DataFrame({"arm": arm, "set": name, "case_id": CASES, "site": SITE, "label": LABEL, "fold": FOLD})
    table["p_0"], table["p_1"] = 1 - second, second
    held = {"fused": HOLDS.any(axis=1)}.get(name, HOLDS[name] if name in HOLDS else HOLDS.all(axis=1))
    return table[held.to_numpy() & (True if kept is None else kept)]


def study() -> pd.DataFrame:
    parts = []
    for seed, (arm, strength) in enumerate([("centralised", 1.0), ("federated", 0.9), ("reference", 0.8)]):
        for i, name in enumerate(["cnv", "hif", "fused"]):
            parts.append(rows(arm, name, scores(strength + 0.3 * i, 10 * seed + i)))
    for i, name in enumerate(["cnv", "hif"]):
        parts.append(rows("federated", f"fused@{name}", scores(0.9 + 0.3 * i, 10 + i)))
    for seed, site in enumerate(["north", "south", "west"]):
        parts.append(rows(f"local:{site}", "fused", scores(0.2 + 0.3 * seed, 100 + seed)))
    parts.append(rows("majority", "fused", np.full(N, 0.4)))
    return pd.concat(parts, ignore_index=True).sample(frac=1, random_state=0)  # the order of rows means nothing


@pytest.fixture(scope="module")
def results() -> dict:
    return compare(study(), HOLDS, TASK, {"seed": 7}, {"seconds": {"federated": 3.0}}, n_draws=100)


def expected(arm: str, name: str, source: str, kept: np.ndarray) -> dict[str, np.ndarray]:
    table = study().query("arm == @arm and set == @source").sort_values("case_id")
    table = table[table["case_id"].isin(np.array(CASES)[kept])]
    return metric_draws(table[["p_0", "p_1"]].to_numpy(), table["label"].to_numpy(), case_weights(len(table), 100, 7))


def test_a_modality_is_scored_on_its_holders_and_fused_on_all_who_hold_any(results):
    sizes = {name: results["arms"]["federated"][name]["n"] for name in ("cnv", "hif", "fused", "fused_complete")}
    assert sizes == {"cnv": 59, "hif": 30, "fused": 59, "fused_complete": 30}


def test_fused_complete_is_the_fused_output_on_the_cases_with_everything(results):
    draws = expected("federated", "fused_complete", "fused", HOLDS.all(axis=1).to_numpy())
    found = results["arms"]["federated"]["fused_complete"]
    for metric in ("macro_auroc", "balanced_accuracy", "accuracy", "macro_f1", "ece"):
        low, high = np.percentile(draws[metric][1:], [2.5, 97.5])
        got = [found[metric][key] for key in ("value", "low", "high")]
        assert got == pytest.approx([draws[metric][0], low, high]), metric


def test_local_is_the_mean_over_sites_with_each_site_beside_it(results):
    local = results["arms"]["local"]
    values = {site: local["sites"][site]["fused"]["macro_auroc"]["value"] for site in ("north", "south", "west")}
    assert local["fused"]["macro_auroc"]["value"] == pytest.approx(np.mean(list(values.values())))
    assert local["fused"]["n_sites"] == 3
    assert "cnv" not in local, "no site was scored on cnv"
    best = max(values, key=values.__getitem__)
    assert local["best_site"]["fused"] == {"site": best, "macro_auroc": values[best]}
    assert results["differences"]["federated-best_local"]["fused"]["site"] == best


def test_differences_are_paired(results):
    table = study().sort_values("case_id")
    p = {a: table.query("arm == @a and set == 'fused'")[["p_0", "p_1"]].to_numpy() for a in table["arm"].unique()}
    labels, weights = LABEL[:59], case_weights(59, 100, 7)
    found = results["differences"]
    central = paired_difference(p["federated"], p["centralised"], labels, weights)
    both = found["federated-centralised"]["fused"]
    assert {name: both[name] for name in central} == central
    local = paired_difference(p["federated"], [p[f"local:{s}"] for s in ("north", "south", "west")], labels, weights)
    assert found["federated-local"]["fused"] == local
    assert set(found["federated-majority"]) == {"fused", "fused_complete"}
    assert set(found["centralised-reference"]) == {"cnv", "hif", "fused", "fused_complete"}


def test_equality_is_tested_where_it_is_claimed_with_the_margin_of_the_protocol(results):
    found = results["differences"]
    assert "equivalence" not in found["federated-local"]["fused"]
    assert found["federated-centralised"]["fused"]["equivalence"]["margin"] == 0.01
    wide = compare(study(), HOLDS, TASK, {"seed": 7, "margin": 0.9}, n_draws=100)["differences"]
    tested, gap = (wide["federated-centralised"]["fused"][name] for name in ("equivalence", "macro_auroc"))
    assert (tested["margin"], tested["verdict"]) == (0.9, "equivalent")
    assert gap["low"] < tested["low"] < gap["value"] < tested["high"] < gap["high"]


def test_an_arm_does_not_differ_from_its_copy():
    table = study()
    copy = table[table["arm"] == "federated"].assign(arm="centralised")
    table = pd.concat([table[table["arm"] != "centralised"], copy])
    found = compare(table, HOLDS, TASK, {}, n_draws=50)["differences"]["federated-centralised"]
    assert found["fused"]["macro_auroc"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_subset_is_held_against_its_best_branch(results):
    subsets = results["subsets"]
    assert list(subsets) == ["cnv", "hif", "cnv+hif"]
    assert subsets["cnv"]["federated"]["identical"] is True
    both = subsets["cnv+hif"]["federated"]
    assert both["fused"] == pytest.approx(
        {k: results["arms"]["federated"]["fused_complete"]["macro_auroc"][k] for k in ("value", "low", "high")}
    )
    assert both["best_branch"]["name"] == "hif"
    complete = HOLDS.all(axis=1).to_numpy()
    branch = expected("federated", "", "hif", complete)["macro_auroc"]
    assert both["best_branch"]["macro_auroc"] == pytest.approx(branch[0])
    draws = expected("federated", "", "fused", complete)["macro_auroc"] - branch
    assert both["difference"]["low"] == pytest.approx(np.percentile(draws[1:], 2.5))
    assert "centralised" not in subsets["cnv"], "no masked predictions of that arm"


def test_a_single_modality_that_is_not_its_branch_is_found_out():
    table = study()
    first = table.query("set == 'fused@cnv'").index[0]
    table.loc[first, "p_0"] += 1e-9
    assert compare(table, HOLDS, TASK, {}, n_draws=20)["subsets"]["cnv"]["federated"]["identical"] is False


def test_sites_held_out_are_compared_on_the_folds_they_were_trained_in():
    table = study()
    table = table[~((table["arm"] == "local:north") & (table["fold"] == 0))]
    found = compare(table, HOLDS, TASK, {}, n_draws=20)
    north = found["arms"]["local"]["sites"]["north"]["fused"]
    assert north["n"] == 59 - 15
    table = table[~table["arm"].isin(["local:south", "local:west"])]
    alone = compare(table, HOLDS, TASK, {}, n_draws=20)["differences"]["federated-local"]["fused"]["accuracy"]["value"]
    right = table[table["set"] == "fused"].assign(right=lambda t: (t["p_1"] > 0.5) == t["label"]).query("fold != 0")
    of = right.groupby("arm")["right"].mean()
    assert alone == pytest.approx(of["federated"] - of["local:north"])


def test_a_stacked_reference_may_know_only_the_complete_cases():
    table = study()
    stacked = table.query("arm == 'reference' and set == 'fused'")
    complete = stacked[stacked["case_id"].isin(HOLDS.index[HOLDS.all(axis=1)])].assign(set="fused_complete")
    found = compare(pd.concat([table.drop(stacked.index), complete]), HOLDS, TASK, {}, n_draws=20)
    assert set(found["arms"]["reference"]) == {"cnv", "hif", "fused_complete"}


def test_tables_of_sites(results):
    assert results["site_by_class"]["north"] == {"LumA": 12, "Basal": 8}
    assert results["site_by_modality"]["west"] == {"cnv": 19, "hif": 10}
    assert results["task"] == {**TASK, "modalities": ["cnv", "hif"]}
    assert results["seconds"] == {"federated": 3.0}
    assert results["curves"] == {}


def test_results_are_json_without_nan(results):
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def test_external_cases_are_scored_the_same_way():
    outside = study().query("arm in ['federated', 'centralised']")
    extra = {"external": outside, "external_holds": HOLDS}
    found = compare(study(), HOLDS, TASK, {}, extra, n_draws=20)
    assert found["external"]["federated"]["fused"] == found["arms"]["federated"]["fused"]
    assert "federated-centralised" in found["external_differences"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(t.query("arm == 'federated' and set == 'cnv'").index[:2]), "federated, cnv: 2 of 59 cases"),
        (lambda t: t.drop(t.query("arm == 'local:west'").index[:1]), "local:west, fused: 1 of 59"),
        (lambda t: pd.concat([t, rows("federated", "fused@cnv", scores(1, 0))]), "30 rows repeat"),
        (lambda t: t.assign(arm=t["arm"].replace("majority", "magic")), "unknown arm 'magic'"),
        (lambda t: t.assign(set=t["set"].replace("fused@cnv", "fused@rna")), "unknown set 'fused@rna'"),
        (lambda t: t.assign(label=t["label"] + 1), "labels outside 0 to 1"),
        (lambda t: t.assign(site=t["site"].where(t["arm"] != "majority", "east")), "more than one site"),
        (lambda t: t.assign(p_2=0.0), "more probability columns"),
        (lambda t: t.drop(columns="fold"), "columns missing: fold"),
        (lambda t: t.assign(case_id=t["case_id"].replace("C00", "X")), "1 cases are not in holds"),
        (lambda t: t.assign(set=t["set"].replace("fused@cnv", "hif")), "rows repeat"),
    ],
)
def test_a_table_that_is_not_what_it_says_is_refused(spoil, message):
    with pytest.raises(ValueError, match=message):
        compare(spoil(study()), HOLDS, TASK, {}, n_draws=10)


def test_an_unknown_extra_is_refused():
    with pytest.raises(ValueError, match="unknown extra bites"):
        compare(study(), HOLDS, TASK, {}, {"bites": {}}, n_draws=10)
