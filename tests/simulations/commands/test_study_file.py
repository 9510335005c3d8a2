"""study.yaml: every run writes what was asked of it, and the file alone gives the same numbers again."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from simulations.cli import app
from simulations.commands.run import COMMANDS
from simulations.commands.study_file import read_study
from tests.simulations.studies.test_experiment import tiny

SIZE = ["--sites", "3", "--cases", "40", "--folds", "2", "workers=1", "seed=5"]


def simulate(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    return result.output


def results_of(out: Path) -> dict:
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    del results["seconds"], results["made"]
    return results


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("first") / "out"
    simulate("synthetic", "--out", out, "--modalities", "cnv,hif", *SIZE, *tiny("cnv", "hif"))
    return out


def test_a_study_file_says_all_that_was_asked_defaults_included(first: Path) -> None:
    study = yaml.safe_load((first / "study.yaml").read_text(encoding="utf-8"))
    assert study["command"] == "synthetic"
    options = {name: value for name, value in study.items() if name not in ("command", "federation")}
    assert options == {
        "cv": "random", "folds": 2, "heads": [], "engine": "inline", "workers": 1, "device": "auto",
        "release": "",
        "name": "synthetic", "sites": 3, "cases": 40, "permute_labels": False,
    }  # fmt: skip
    federation = study["federation"]
    assert federation["seed"] == 5
    assert federation["modalities"]["cnv"]["federated"]["rounds"] == 2
    assert federation["modalities"]["hif"]["training"]["batch_size"] > 0, "a default that nobody asked for"
    assert federation["task"]["classes"] == ["LumA", "LumB", "Basal", "Her2"]


def test_run_repeats_a_study_bit_for_bit(first: Path, tmp_path: Path) -> None:
    simulate("run", first / "study.yaml", "--out", tmp_path / "again")
    assert results_of(tmp_path / "again") == results_of(first)
    tables = [out / "folds" / "1" / "federated.parquet" for out in (first, tmp_path / "again")]
    assert tables[0].read_bytes() == tables[1].read_bytes()
    both = [(out / "study.yaml").read_bytes() for out in (first, tmp_path / "again")]
    assert both[0] == both[1]


def test_dotted_words_change_the_study_and_the_federation(first: Path) -> None:
    words = ["folds=3", "federation.seed=7", "modalities.cnv.training.lr=0.5"]
    command, options, federation = read_study(first / "study.yaml", words, COMMANDS)
    assert command is COMMANDS["synthetic"]
    assert (options["folds"], options["sites"]) == (3, 3)
    assert federation["seed"] == 7
    assert federation["modalities"]["cnv"]["training"]["lr"] == 0.5
    assert federation["modalities"]["cnv"]["federated"]["rounds"] == 2


def test_everything_that_is_wrong_with_a_study_file_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "command: tcga\nfold: 3\ncv: leave-one\nmin_site: many\nfederation: {modalities: {cnv: {traning: {}}}}\n"
    )
    with pytest.raises(ValueError, match=r"^study\.yaml[:,] ") as found:
        read_study(tmp_path / "study.yaml", [], COMMANDS)
    for said in (
        "tcga.data: must be given",
        "tcga.fold: no such setting; did you mean 'folds'?",
        "tcga.cv: must be",
        "tcga.min_site: must be a whole number",
        "modalities.cnv.traning: no such setting; did you mean 'training'?",
    ):
        assert said in str(found.value)


def test_an_unknown_command_is_refused_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("command: synthetics\n")
    with pytest.raises(ValueError, match=r"command: must be one of .* got 'synthetics'; did you mean 'synthetic'\?"):
        read_study(tmp_path / "study.yaml", [], COMMANDS)


def test_a_folder_of_another_experiment_is_refused_before_anything_in_it_changes(first: Path) -> None:
    kept = {name: (first / name).read_bytes() for name in ("study.yaml", "federation.yaml", "plan.json")}
    result = CliRunner().invoke(app, ["run", str(first / "study.yaml"), "--out", str(first), "seed=6", "cases=50"])
    assert result.exit_code == 1
    assert "holds an experiment with other settings (cases, federation)" in result.output.replace("\n", " ")
    assert {name: (first / name).read_bytes() for name in kept} == kept


def test_a_run_goes_on_on_another_device_which_its_sites_then_name(first: Path) -> None:
    before = json.loads((first / "results.json").read_text(encoding="utf-8"))
    simulate("run", first / "study.yaml", "--out", first, "device=cpu")
    assert {
        path.read_text().count("resources:\n  device: cpu\n") for path in first.glob("folds/1/sites/*/site.yaml")
    } == {1}
    after = json.loads((first / "results.json").read_text(encoding="utf-8"))
    assert (before["protocol"]["device"], after["protocol"]["device"]) == ("auto", "cpu")
    assert after["arms"] == before["arms"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_there_is_refused_before_anything_runs(first: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", str(first / "study.yaml"), "--out", str(tmp_path / "x"), "device=cuda"])
    assert result.exit_code == 1
    assert "finds no GPU here; set auto or cpu" in " ".join(result.output.split())
    assert not (tmp_path / "x").exists()


def test_sites_of_a_rehearsal_are_made_again_from_their_study_file(tmp_path: Path) -> None:
    simulate("sites", "north", "south", "--out", tmp_path / "one", "--cases", "20", "seed=3")
    simulate("run", tmp_path / "one" / "study.yaml", "--out", tmp_path / "two")
    for name in ("federation.yaml", "north/cases.csv", "south/site.yaml"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
