"""`tessera-simulate tcga --epsilon`: the federated arm under differential privacy beside the arm without."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modalities.core.settings.federation import load_federation
from simulations.cli import app
from simulations.scores.results import RESULTS
from strategies.private.accounting import noise_multiplier
from tests.simulations.commands.test_tcga_command import write_tables

NAMES = ("hif", "rna")
QUICK = [
    *(f"modalities.{name}.{own}=2" for name in NAMES for own in ("training.epochs", "federated.rounds")),
    *(f"private.modalities.{name}.federated.rounds=3" for name in NAMES),
    "fusion.folds=2",
    "fusion.rounds=3",
    "min_site=9",
    "workers=1",
]
RANGES = [f'private.modalities.{name}.ranges={{"feature_1*": [-3.0, 3.0]}}' for name in NAMES]


def invoke(data: Path, out: Path, *more: str):
    named = ["tcga", "--data", str(data), "--out", str(out), "--modalities", ",".join(NAMES), "--folds", "2"]
    return CliRunner().invoke(app, [*named, *QUICK, *more])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tables(tmp_path_factory.mktemp("data"), 61, 1, "AABBC")
    shutil.copy(folder / "features" / "hif.csv", folder / "features" / "rna.csv")
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    result = invoke(data, out, "--epsilon", "2", *RANGES)
    assert result.exit_code == 0, result.output
    return out


def results_of(out: Path) -> dict:
    return json.loads((out / "results.json").read_text(encoding="utf-8"))


def test_the_results_have_every_epsilon_and_are_of_the_types_that_the_docs_show(run):
    results = results_of(run)
    assert RESULTS.validate_python(results) == results
    assert list(results["privacy"]["epsilons"]) == ["2"]
    assert results["privacy"]["without"]["fused"] == results["arms"]["federated"]["fused"]
    assert {*NAMES, "fused", "fused_complete"} == set(results["privacy"]["epsilons"]["2"]["sets"])


def test_what_is_promised_is_what_the_accountants_say_of_all_releases(run):
    found = results_of(run)["privacy"]["epsilons"]["2"]
    assert found["releases"] == 6  # two branches, three rounds each
    assert found["noise_multiplier"] == noise_multiplier(2.0, 1e-5, 6)
    assert found["epsilon_by_pld"] == pytest.approx(2.0, rel=0.005)
    # three sites, opened with all of them, of which one is not counted: 3 / 2 of the variance
    assert found["noise_of_all_sites"] == pytest.approx(found["noise_multiplier"] * 1.5**0.5)


def test_inputs_are_the_features_that_a_public_rule_names(run):
    assert results_of(run)["privacy"]["epsilons"]["2"]["inputs"] == {"hif": 4, "rna": 4}
    private = load_federation(run / "private-2.yaml")
    assert private.modalities["hif"].features == ["feature_1", "feature_10", "feature_11", "feature_12"]
    assert private.privacy.masking == "simulated"
    assert private.fusion.fit == "none"


def test_the_protocol_says_where_the_noise_came_from_and_the_page_how_to_read_it(run):
    assert "drawn from the study's seed" in results_of(run)["protocol"]["noise"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert '<section id="privacy">' in page
    assert "almost as likely had any one patient not been there" in page
    assert "No row makes a patient anonymous" in page


def test_a_private_arm_that_is_lost_comes_out_the_same_again(data, run):
    before = results_of(run)["privacy"]
    (run / "folds" / "1" / "private-2.json").unlink()
    (run / "folds" / "1" / "private-2" / "checkpoint.safetensors").unlink()
    assert invoke(data, run, "--epsilon", "2", *RANGES).exit_code == 0
    assert results_of(run)["privacy"] == before


def test_the_study_file_repeats_a_private_run_bit_for_bit(run, tmp_path):
    result = CliRunner().invoke(app, ["run", str(run / "study.yaml"), "--out", str(tmp_path / "again")])
    assert result.exit_code == 0, result.output
    assert results_of(tmp_path / "again")["privacy"] == results_of(run)["privacy"]


def test_a_table_without_public_ranges_is_refused_before_anything_runs(data, tmp_path):
    result = invoke(data, tmp_path / "out", "--epsilon", "2")
    assert result.exit_code == 1
    assert "modalities.hif: `ranges` has none of feature_1" in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--epsilon", "much"], "--epsilon: give numbers such as 3,8,10, got 'much'"),
        (["--epsilon", "3,3"], "--epsilon: give each number once, got '3,3'"),
        (["--epsilon", "0"], "must be above 0"),
        (RANGES, "none is asked for: give --epsilon"),
    ],
)
def test_an_epsilon_that_makes_no_sense_is_refused(data, tmp_path, more, said):
    result = invoke(data, tmp_path / "out", *more)
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())
