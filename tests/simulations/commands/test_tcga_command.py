"""`tessera-simulate tcga` on made-up tables laid out as in docs/tcga.md: grouping, missing and external data."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from modalities.core.registry import plugin
from simulations.cli import app

CLASSES = ("LumA", "LumB", "Basal", "Her2")
QUICK = [
    *(f"modalities.{name}.{own}=2" for name in ("cnv", "hif") for own in ("training.epochs", "federated.rounds")),
    "fusion.folds=2",
    "fusion.rounds=3",
]


def write_tables(root: Path, n_cases: int, seed: int, sites: str) -> Path:
    """The tables of one consortium: cnv, hif, labels with site codes; the last five cases are dropped labels."""
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.arange(n_cases) % len(CLASSES))
    case_ids = [f"TCGA-{sites[case % len(sites)]}{seed}-{case:04d}" for case in range(n_cases)]
    plugin("cnv").write_example(root / "cnv", case_ids, classes.tolist(), rng)
    plugin("table").write_example(root / "features", case_ids[3:], classes[3:].tolist(), rng)
    (root / "features" / "table.csv").rename(root / "features" / "hif.csv")
    labels = [CLASSES[label] for label in classes[:-5]] + ["Normal"] * 5
    (root / "labels").mkdir()
    codes = [case_id[5:7] for case_id in case_ids]
    frame = pd.DataFrame({"case_id": case_ids, "pam50": labels, "site_code": codes})
    frame["site_name"] = [{"A1": "Ahus", "B1": "Bordet"}.get(code, "") for code in codes]
    frame.to_csv(root / "labels" / "pam50.csv", index=False)
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("data"), 125, 1, "AABBBCDE")


def folds_in(out: Path) -> pd.Series:
    return pd.read_csv(out / "predictions.csv.gz").groupby("case_id")["fold"].first()


def simulate(*arguments: str) -> dict:
    out = Path(arguments[arguments.index("--out") + 1])
    chosen = [] if "--federation" in arguments else ["--modalities", "cnv,hif"]
    result = CliRunner().invoke(app, ["tcga", *arguments, *chosen, "--folds", "2", *QUICK])
    assert result.exit_code == 0, result.output
    return json.loads((out / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def beside(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A run with small sites to pool, beside a consortium that takes no part in it."""
    outside, out = (tmp_path_factory.mktemp(name) for name in ("outside", "out"))
    write_tables(outside, 61, 2, "AB")
    calls = pd.read_csv(outside / "cnv" / "data_cna.txt", sep="\t")  # the first three have no hif either
    calls.drop(columns=[name for name in calls if name[8:12] in ("0000", "0001", "0002")]).to_csv(
        outside / "cnv" / "data_cna.txt", sep="\t", index=False
    )
    named = ["--data", str(data), "--out", str(out), "--external", str(outside)]
    return out, simulate(*named, "min_site=20", "workers=1")


def test_small_sites_are_pooled_and_dropped_labels_counted(beside: tuple[Path, dict]) -> None:
    _, results = beside
    assert set(results["site_by_class"]) == {"A1", "B1", "other"}
    assert results["task"]["dropped"] == {"Normal": 5}
    assert sum(sum(row.values()) for row in results["site_by_class"].values()) == 120


def test_an_external_folder_is_scored_and_never_trained_on(beside: tuple[Path, dict]) -> None:
    out, results = beside
    assert set(results["external"]) >= {"centralised", "federated", "local", "reference", "majority"}
    assert results["external"]["federated"]["fused"]["n"] == 53
    assert results["arms"]["federated"]["fused"]["n"] == 120
    sites = json.loads((out / "folds" / "external" / "federated.json").read_text(encoding="utf-8"))["bytes"]
    assert set(sites) == {"A1", "B1", "other"}, "no external site takes part"
    table = pd.read_csv(out / "predictions.csv.gz")
    outside = table[(table["cohort"] == "external") & (table["arm"] == "federated") & (table["set"] == "fused")]
    assert len(outside) == 53
    assert set(outside["site"]) == {"external_A2", "external_B2"}
    assert set(table["label"]) == set(table["predicted"]) | set(table["label"]) == set(CLASSES)
    assert table[[f"p_{name}" for name in CLASSES]].sum(axis=1).round(6).eq(1).all()


def test_an_external_cohort_is_scored_by_site_and_what_it_lacks_is_kept(beside: tuple[Path, dict]) -> None:
    _, results = beside
    by_site = results["external_by_site"]
    assert {site: own["federated"]["fused"]["n"] for site, own in by_site.items()} == {
        "external_A2": 26,
        "external_B2": 27,
    }
    assert set(by_site["external_A2"]) == {"centralised", "federated", "reference", "majority"}
    assert "external_lacks" not in results, "the same features in both"


def test_sites_are_called_what_the_list_of_cases_calls_them(beside: tuple[Path, dict]) -> None:
    out, results = beside
    assert results["site_names"] == {"A1": "Ahus", "B1": "Bordet", "other": "3 smaller sites"}
    assert "A1, Ahus" in (out / "report.html").read_text(encoding="utf-8")


def test_external_cases_that_hold_nothing_are_counted_and_said(beside: tuple[Path, dict]) -> None:
    out, results = beside
    assert results["external_left_out"]["no_modality"] == {"external_A2": 2, "external_B2": 1}
    assert sum(results["external_left_out"]["no_class"].values()) == 5
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "3 external cases hold none of the modalities" in page
    assert "2 of external_A2, 1 of external_B2" in page


def test_folds_of_a_file_are_those_that_cases_are_tested_in(data: Path, tmp_path: Path) -> None:
    cases = pd.read_csv(data / "labels" / "pam50.csv", keep_default_na=False)["case_id"]
    fold = pd.Series(["train", "test", "train"] * 42)[: len(cases)]
    pd.DataFrame({"case_id": cases, "split": fold}).to_csv(tmp_path / "split.csv", index=False)
    settled = ["--folds-file", str(tmp_path / "split.csv"), "workers=1", "min_site=20"]
    results = simulate("--data", str(data), "--out", str(tmp_path / "out"), *settled)
    assert (results["protocol"]["cv"], results["protocol"]["folds"]) == ("file", 1)
    assert results["protocol"]["folds_file"].startswith("split.csv, SHA-256 ")
    tested = folds_in(tmp_path / "out")
    assert set(tested) == {1}
    assert set(tested.index) == set(cases[fold == "test"]) - set(cases[-5:]), "the last five have no class"


@pytest.mark.slow
def test_repeats_are_whole_runs_and_a_finished_one_is_not_made_again(data: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(data), "--out", str(tmp_path), "workers=1", "--repeats", "2"]
    results = simulate(*arguments)
    assert results["runs"] == ["seed-0", "seed-1"]
    for seed, name in enumerate(results["runs"]):
        own = json.loads((tmp_path / name / "results.json").read_text(encoding="utf-8"))
        value = results["repeats"]["arms"]["federated"]["fused"]["macro_auroc"]["values"][seed]
        assert value == own["arms"]["federated"]["fused"]["macro_auroc"]["value"]
        assert own["protocol"]["seed"] == seed
    folds = [folds_in(tmp_path / name) for name in results["runs"]]
    assert not folds[0].equals(folds[1])
    assert '<section id="repeats">' in (tmp_path / "report.html").read_text(encoding="utf-8")
    made = (tmp_path / "seed-1" / "results.json").stat().st_mtime_ns
    assert simulate(*arguments) == results
    assert (tmp_path / "seed-1" / "results.json").stat().st_mtime_ns == made


def test_series_of_what_is_kept_once_are_refused(data: Path, tmp_path: Path) -> None:
    common = ["tcga", "--data", str(data), "--out", str(tmp_path / "out"), "--modalities", "cnv,hif"]
    for more, match in (
        (["--repeats", "2", "--missing-rate", "0,.3"], "not both"),
        (["--repeats", "2", "--release", str(tmp_path / "kept")], "--external and --release are of one run"),
        (["--missing-rate", "some"], "give numbers such as"),
    ):
        result = CliRunner().invoke(app, [*common, *more])
        assert result.exit_code == 1
        assert match in result.output


def test_everything_that_a_data_folder_lacks_is_said_at_once(tmp_path: Path) -> None:
    arguments = ["tcga", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--modalities", "cnv,hif"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    for part in ("cnv: none of", "hif: needs one file hif.csv", "pam50.csv"):
        assert part in result.output.replace("\n", "")


GRADE = """
seed: 4
task:
  name: grade
  label: grade
  classes: [low, high]
  values: {low: [G1, G2], high: [G3]}
  drop: [GX]
modalities:
  cnv: {}
  hif: {kind: table}
"""
SETTLED = ["workers=1", "min_site=20"]


@pytest.fixture
def graded(data: Path, tmp_path: Path) -> Path:
    """The tables with a clinical record that says another thing of the cases than the subtype, and nothing of seven."""
    root = shutil.copytree(data, tmp_path / "graded")
    labels = pd.read_csv(root / "labels" / "pam50.csv", keep_default_na=False)
    grades = labels["pam50"].map({"LumA": "G1", "LumB": "G2", "Basal": "G3", "Her2": "G3", "Normal": "GX"})
    (root / "clinical").mkdir()
    table = pd.DataFrame({"sampleID": labels["case_id"] + "-01", "_PATIENT": labels["case_id"], "grade": grades})
    table.iloc[7:].to_csv(root / "clinical" / "BRCA_clinicalMatrix.tsv", sep="\t", index=False)
    (root / "federation.yaml").write_text(GRADE)
    return root


def test_another_label_is_a_matter_of_the_federation_file_alone(graded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settled = ["--federation", str(graded / "federation.yaml"), *SETTLED]
    results = simulate("--data", str(graded), "--out", str(out), *settled)
    assert results["task"]["name"] == "grade"
    assert results["task"]["classes"] == ["low", "high"]
    assert results["task"]["dropped"] == {"(blank)": 7, "GX": 5}
    assert results["protocol"]["seed"] == 4
    assert results["arms"]["federated"]["fused"]["n"] == 113
    assert set(results["arms"]["federated"]["fused"]["recall"]) == {"low", "high"}
    assert "pam50" not in (out / "report.html").read_text(encoding="utf-8").casefold()
    split = pd.read_csv(out / "folds" / "1" / "sites" / "B1" / "cases.csv", keep_default_na=False)
    assert set(split["grade"]) <= {"G1", "G2", "G3", "GX", ""}  # what the table says; the site maps it by the task


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--clinical", "ihc"], "--clinical beside --federation: federation.yaml decides that"),
        (["--modalities", "cnv", "--clinical", "ihc"], "--modalities, --clinical beside --federation"),
        (["task.values.high=[G4]"], "labels outside the class list: G3 ("),
        (["task.label=grades"], "no column grades, nor has BRCA_clinicalMatrix.tsv"),
    ],
)
def test_what_contradicts_the_file_or_the_data_is_refused(
    graded: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    settled = ["--federation", str(graded / "federation.yaml"), "--data", str(graded), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, ["tcga", *settled, *arguments])
    assert result.exit_code == 1
    assert said in result.output
