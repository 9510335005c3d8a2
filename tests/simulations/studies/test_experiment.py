"""The whole comparison on a few made-up sites: small enough for every run, with nothing replaced."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from modalities.core.contract import Source
from modalities.core.settings.federation import load_federation
from modalities.core.site.store import SiteData
from simulations.arms.arms import ARM_NAMES
from simulations.cli import app
from simulations.cohorts.cohort import Cohort, modalities_to_remove
from simulations.cohorts.synthetic import subsets_held
from simulations.scores.results import RESULTS
from simulations.studies.experiment import Protocol


def tiny(*modalities: str) -> list[str]:
    """Settings of a study of two rounds."""
    branches = [f"modalities.{name}.{own}=2" for name in modalities for own in ("training.epochs", "federated.rounds")]
    return [*branches, "fusion.folds=2", "fusion.rounds=3", "fusion.network.rounds=2"]


TINY = tiny("cnv", "clinical", "hif")
HEADS = ["heads=[mean,weighted_logits_bias,intermediate]"]


def simulate(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "tiny"
    size = ["--sites", "5", "--cases", "30", "--folds", "2", "workers=1"]
    simulate("synthetic", "--out", str(out), *size, *HEADS, f"release={out / 'kept'}", *TINY)
    return out


def results_of(out: Path) -> dict:
    return json.loads((out / "results.json").read_text(encoding="utf-8"))


def test_the_results_of_a_run_are_of_the_types_that_the_docs_show(run: Path) -> None:
    results = results_of(run)
    assert RESULTS.validate_python(results) == results


def test_every_arm_is_scored_on_every_set(run: Path) -> None:
    arms = results_of(run)["arms"]
    assert set(arms) == set(ARM_NAMES)
    for scored in arms.values():
        assert {"cnv", "clinical", "hif", "fused", "fused_complete"} <= set(scored)


def test_a_case_is_tested_once_and_never_where_it_was_trained(run: Path) -> None:
    predictions = pd.read_csv(run / "predictions.csv.gz")
    fused = predictions[(predictions["arm"] == "federated") & (predictions["set"] == "fused")]
    assert fused["case_id"].is_unique
    federation = load_federation(run / "federation.yaml")
    for fold in (1, 2):
        tested = set(fused.loc[fused["fold"] == fold, "case_id"])
        for folder in (run / "folds" / str(fold) / "sites").iterdir():
            site = SiteData(folder, federation)
            trained = {case_id for name in site.modalities for case_id in site.training_cases(name)}
            assert not trained & tested


def test_a_site_without_a_modality_has_no_bytes_of_it(run: Path) -> None:
    by_site = results_of(run)["bytes"]
    held = dict(zip(sorted(by_site), subsets_held(["cnv", "clinical", "hif"], 5), strict=True))
    for site, modalities in held.items():
        assert {owner for owner in by_site[site] if owner not in ("study", "shared")} == set(modalities)
        assert all(by_site[site][name]["up"] > 0 and by_site[site][name]["down"] > 0 for name in modalities)
    assert any(len(modalities) == 1 for modalities in held.values())


def test_a_single_modality_gives_exactly_the_branch(run: Path) -> None:
    subsets = results_of(run)["subsets"]
    for name in ("cnv", "clinical", "hif"):
        assert subsets[name]["federated"]["identical"] is True
    assert len(subsets) == 7


def test_a_finished_arm_is_not_run_again_and_a_lost_one_gives_the_same_numbers(run: Path) -> None:
    before, kept = results_of(run), (run / "folds" / "1" / "reference.json").stat().st_mtime_ns
    (run / "folds" / "2" / "federated.json").unlink()
    (run / "folds" / "2" / "federated" / "checkpoint.safetensors").unlink()
    size = ["--sites", "5", "--cases", "30", "--folds", "2", "workers=1"]
    simulate("synthetic", "--out", str(run), *size, *HEADS, *TINY)
    assert (run / "folds" / "1" / "reference.json").stat().st_mtime_ns == kept
    assert results_of(run)["arms"] == before["arms"]


def test_every_fold_has_a_line_for_each_of_its_rounds_and_none_of_a_study_that_was_lost(run: Path) -> None:
    for fold, curve in enumerate(results_of(run)["curves"]["cnv"]["federated"], start=1):
        lines = pd.read_json(run / "folds" / str(fold) / "federated" / "metrics.jsonl", lines=True)
        cnv = lines[lines["modality"] == "cnv"]
        assert cnv["held_out_loss"].tolist() == pytest.approx(curve, abs=1e-9)
        assert list(lines["phase"]).count("finished") == 1


def test_a_folder_of_another_experiment_is_refused(run: Path) -> None:
    result = CliRunner().invoke(app, ["synthetic", "--out", str(run), "--sites", "5", "--cases", "30", "seed=7"])
    assert result.exit_code == 1
    assert "other settings" in result.output


def test_adding_and_removing_a_modality_leaves_the_other_branches_byte_for_byte(run: Path, tmp_path: Path) -> None:
    removed, added = tmp_path / "removed", tmp_path / "added"
    common = ["--data", str(run / "folds" / "1" / "sites")]
    simulate("remove", "--release", str(run / "kept"), *common, "--modality", "hif", "--out", str(removed))
    found = results_of(removed)
    assert sorted(found["modalities"]["after"]) == ["clinical", "cnv"]
    assert found["cost"]["share_of_training_all"] == 0
    assert len(found["unchanged"]) == 6
    assert all(found["unchanged"].values())
    for name in ("branches/cnv.safetensors", "branches/clinical.safetensors", "crossfit/cnv@2.safetensors"):
        assert (removed / "release" / name).read_bytes() == (run / "kept" / name).read_bytes()
    assert not (removed / "release" / "branches" / "hif.safetensors").exists()
    assert found["sets"]["fused_complete"]["n"] > 0  # cases with hif too: the release before is scored with it

    again = ["modalities.hif.training.epochs=2", "modalities.hif.federated.rounds=2"]
    simulate("add", "--release", str(removed / "release"), *common, "--modality", "hif", "--out", str(added), *again)
    found = results_of(added)
    assert 0 < found["cost"]["share_of_training_all"] < 1
    assert all(found["unchanged"].values())
    assert (added / "release" / "branches" / "hif.safetensors").is_file()
    assert found["sets"]["fused"]["n"] > 0


def test_heads_are_compared_on_the_branches_of_the_study_itself(run: Path) -> None:
    results = results_of(run)
    assert results["head"] == {arm: ["weighted_logits_bias"] * 2 for arm in ("federated", "centralised")}
    heads = results["heads"]
    assert set(heads) == {"mean", "weighted_logits_bias", "intermediate"}
    assert heads["mean"]["parameters"] == 0
    assert heads["weighted_logits_bias"]["parameters"] == 3 * 4 + 4 + 4
    for arm in ("federated", "centralised"):
        own = {name: head["arms"][arm] for name, head in heads.items()}
        # The head of the study, fitted anew on its frozen branches, is the one it has, but for the study's temperature,
        # which moves no case to another class.
        for name in ("fused", "fused_complete"):
            assert own["weighted_logits_bias"][name]["confusion"] == results["arms"][arm][name]["confusion"]
            assert own["weighted_logits_bias"][name]["log_loss"] != results["arms"][arm][name]["log_loss"]
        losses = {name: one["out_of_fold_loss"] for name, one in own.items()}
        assert [name for name, one in own.items() if one["least_loss"]] == [min(losses, key=lambda name: losses[name])]
        assert set(own["intermediate"]["differences"]) == {
            "intermediate-mean",
            "intermediate-weighted_logits_bias",
        }
        gap = own["mean"]["differences"]["mean-weighted_logits_bias"]["fused"]["macro_auroc"]["value"]
        both = [own[name]["fused"]["macro_auroc"]["value"] for name in ("mean", "weighted_logits_bias")]
        assert gap == pytest.approx(both[0] - both[1])
    sent = {name: head["arms"]["federated"]["bytes"] for name, head in heads.items()}
    assert sent["mean"] == 0 < sent["weighted_logits_bias"] < sent["intermediate"]
    assert 'id="heads"' in (run / "report.html").read_text(encoding="utf-8")


def test_an_unknown_head_is_refused_before_anything_runs(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["synthetic", "--out", str(tmp_path / "out"), "heads=[mean,gate]"])
    assert result.exit_code == 1
    assert "no fusion head 'gate'" in result.output
    assert not (tmp_path / "out").exists()


def test_adding_what_is_there_is_refused(run: Path, tmp_path: Path) -> None:
    data = str(run / "folds" / "1" / "sites")
    arguments = ["--release", str(run / "kept"), "--data", data, "--modality", "cnv", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, ["add", *arguments])
    assert result.exit_code == 1
    assert "has cnv already" in result.output


def test_missing_modalities_leave_every_site_and_every_modality_something() -> None:
    sources = {f"s{number}": dict.fromkeys(("cnv", "hif", "clinical"), Source(())) for number in range(5)}
    cohort = Cohort(pd.DataFrame(), sources)
    removed = modalities_to_remove(cohort, 0.4, seed=3)
    assert sum(map(len, removed.values())) == 6  # .4 of 15 pairs
    assert all(len(names) < 3 for names in removed.values())
    for name in ("cnv", "hif", "clinical"):
        assert sum(name in names for names in removed.values()) < 5
    assert modalities_to_remove(cohort, 0.4, seed=3) == removed
    assert modalities_to_remove(cohort, 0.0, seed=3) == {}


def test_a_wrong_protocol_lists_everything_at_once() -> None:
    with pytest.raises(ValueError, match=r"cv must be .*folds must be .*missing rate"):
        Protocol("x", cv="leave-one", folds=1, missing_rate=1.5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_permuted_labels_leave_nothing_to_learn(tmp_path: Path) -> None:
    size = ["--sites", "4", "--cases", "60", "--folds", "2", "--small", "workers=1", "--modalities", "cnv,hif"]
    simulate("synthetic", "--out", str(tmp_path), *size, "--permute-labels")
    arms = results_of(tmp_path)["arms"]
    for arm in ("centralised", "federated"):
        assert 0.42 <= arms[arm]["fused"]["macro_auroc"]["value"] <= 0.58


def test_evidence_stands_in_the_results_and_in_the_report(run: Path) -> None:
    results, page = results_of(run), (run / "report.html").read_text(encoding="utf-8")
    assert set(results["calibration"]) == set(results["conformal"]) == {"federated", "centralised"}
    assert len(results["calibration"]["federated"]["temperatures"]) == 2
    sets = results["calibration"]["federated"]["sets"]
    assert sets["fused"]["after"]["ece"] == pytest.approx(results["arms"]["federated"]["fused"]["ece"]["value"])
    assert sets["cnv"]["before"]["ece"] == pytest.approx(sets["cnv"]["after"]["ece"])  # a branch's own output
    conformal = results["conformal"]["federated"]
    assert sum(one["n"] for one in conformal["by_site"].values()) == conformal["overall"]["n"] == sets["fused"]["n"]
    assert set(results["error_correlation"]) == {"federated", "centralised", "reference"}
    assert set(results["site_probe"]["hif"]) == {"raw", "embedding", "outputs", "class", "permuted"}
    for name in ("calibration", "conformal-sets", "error-correlation", "site-signature"):
        assert f'<section id="{name}">' in page
    assert "fold-balance" not in page


@pytest.mark.slow
def test_preserved_folds_keep_sites_whole_and_show_their_balance(tmp_path: Path) -> None:
    size = ["--sites", "5", "--cases", "60", "--folds", "2", "workers=1", "cv=preserved"]
    simulate("synthetic", "--out", str(tmp_path), *size, "--modalities", "cnv,hif", *tiny("cnv", "hif"))
    results = results_of(tmp_path)
    folds = pd.read_csv(tmp_path / "predictions.csv.gz").groupby("site")["fold"].nunique()
    assert set(folds) == {1}
    balance = results["fold_balance"]
    assert balance["preserved"]["deviation"] <= balance["stratified_group_k_fold"]["deviation"] + 1e-9
    assert 'id="fold-balance"' in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert results["site_probe"] == {}  # no site is on both sides


@pytest.mark.slow
def test_seven_classes_go_from_a_file_to_the_report(tmp_path: Path) -> None:
    """Two do in test_tcga_command."""
    names = [f"kind {number}" for number in range(1, 8)]
    modality = {"kind": "table", "training": {"epochs": 2}, "federated": {"rounds": 2}}
    task = {"name": "kind of tumour", "label": "kind", "classes": names, "drop": []}
    settings = {"seed": 5, "task": task, "fusion": {"folds": 2}, "modalities": {"rna": modality, "hif": modality}}
    (tmp_path / "federation.yaml").write_text(json.dumps(settings))
    size = ["--sites", "3", "--cases", "40", "--folds", "2", "workers=1"]
    simulate("synthetic", "--federation", str(tmp_path / "federation.yaml"), "--out", str(tmp_path / "out"), *size)
    results = results_of(tmp_path / "out")
    for arm in ("federated", "centralised", "local", "reference", "majority"):
        scored = results["arms"][arm]["fused"]
        assert set(scored["recall"]) == set(names)
        assert 0 <= scored["balanced_accuracy"]["value"] <= 1
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert all(name in report for name in names)
    assert "kind of tumour" in report
