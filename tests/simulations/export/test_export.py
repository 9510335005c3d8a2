"""A run as files for a paper: numbers are those of results.json, LaTeX compiles, figures come with what they show."""

import json
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from simulations.cli import app
from simulations.export.drawn import data_of
from simulations.export.latex import MOST_ROWS, escaped, table_in_latex
from simulations.export.methods import methods_of
from simulations.export.table import PaperTable
from simulations.export.write import export_run
from simulations.report import overview
from simulations.scores.named import named
from strategies.report.look import draw
from tests.simulations.report.made_up import MODALITIES, MadeUpStudy, made_up_results

FEDERATED = {"strategy": "fedadam", "rounds": 83, "local_epochs": 2, "optimiser": "sgd", "lr": 0.07, "server_lr": 0.013}
SECTION = {"features": 41, "federated": FEDERATED, "training": {"epochs": 29}}
SETTINGS = {"modalities": dict.fromkeys(MODALITIES, SECTION), "fusion": {"fit": "crossfit", "folds": 4, "rounds": 37}}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    study, outside = MadeUpStudy(300), MadeUpStudy(120, n_sites=2, seed=1)
    results, predictions = made_up_results(study, outside=outside)
    results["protocol"] |= {"federation": SETTINGS, "margin": 0.02}
    results |= {"head": {"federated": ["gated"] * 5}, "site_names": {"Mayo": "Rochester_50 % & more"}}
    results["made"] = {"date": "2026-11-28 18:02 UTC", "command": "tessera-simulate tcga --data a_b"}
    folder = tmp_path_factory.mktemp("run")
    (folder / "results.json").write_text(json.dumps(results))
    named(predictions, study.classes, outside.predictions()).to_csv(folder / "predictions.csv.gz", index=False)
    return folder


@pytest.fixture(scope="module")
def paper(run, tmp_path_factory) -> Path:
    to = tmp_path_factory.mktemp("paper") / "new"
    result = CliRunner().invoke(app, ["export", str(run), "--to", str(to)])
    assert result.exit_code == 0, result.output
    assert f"{len(list((to / 'tables').glob('*.tex')))} tables, 9 figures" in result.output
    return to


def results_of(run: Path) -> dict:
    return json.loads((run / "results.json").read_text())


def test_the_tables_hold_the_numbers_of_the_results_unrounded(run, paper):
    results = results_of(run)
    scores = pd.read_csv(paper / "tables" / "performance.csv").set_index(["set", "arm", "metric"])
    for arm, metric in (("federated", "macro_auroc"), ("local", "ece"), ("reference", "accuracy")):
        stated = results["arms"][arm]["fused_complete"][metric]
        assert scores.loc["fused_complete", arm, metric]["value"] == stated["value"]
        assert scores.loc["fused_complete", arm, metric]["high"] == stated["high"]
    assert scores.loc["cnv", "federated", "plain_ece"]["value"] == results["arms"]["federated"]["cnv"]["plain_ece"]
    tested = pd.read_csv(paper / "tables" / "equivalence.csv").set_index("set").loc["cnv"]
    stated = results["differences"]["federated-centralised"]["cnv"]["equivalence"]
    assert {name: tested[name] for name in stated} == stated
    counts = pd.read_csv(paper / "tables" / "site_by_class.csv")
    assert counts["cases"].sum() == 300
    assert "Mayo, Rochester_50 % & more" in set(counts["site"])
    confusion = pd.read_csv(paper / "tables" / "external_confusion.csv")
    assert (
        confusion.loc[confusion["arm"] == "federated", "cases"].sum()
        == results["external"]["federated"]["fused_complete"]["n"]
    )


def test_a_number_is_rounded_in_latex_with_its_interval(run, paper):
    found = results_of(run)["arms"]["federated"]["fused_complete"]["balanced_accuracy"]
    text = (paper / "tables" / "performance.tex").read_text()
    row = next(line for line in text.splitlines() if line.startswith("Federated &"))
    assert f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})" in row
    assert row.count("&") == 5
    assert "\\toprule" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: apt-get install texlive-latex-recommended")
def test_everything_compiles_in_one_document(paper):
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=paper, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (paper / "all.pdf").read_bytes().startswith(b"%PDF")


def test_every_figure_is_there_twice_with_its_data(paper):
    names = {path.stem for path in (paper / "figures").iterdir()}
    assert names == {
        *("forest", "curves", "confusion", "roc", "recall", "sites", "reliability", "external", "external_recall"),
    }
    for name in names:
        assert (paper / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert "<text" in (paper / "figures" / f"{name}.svg").read_text(), "text stays text"
        assert len(pd.read_csv(paper / "figures" / f"{name}.csv")) > 3


def test_the_data_of_a_figure_are_those_drawn(run):
    results = results_of(run)
    data = data_of(overview.forest(results))
    points = data[(data["kind"] == "points") & (data["series"] == "federated")]
    drawn = [results["arms"]["federated"][name]["macro_auroc"]["value"] for name in ("fused_complete", "fused", "cnv")]
    assert points["x"].tolist()[:3] == drawn
    assert set(points["y_label"]) == {"Federated"}
    ends = data[(data["kind"] == "line") & (data["series"] == "federated")]["x"].tolist()[:2]
    found = results["arms"]["federated"]["fused_complete"]["macro_auroc"]
    assert ends == [found["low"], found["high"]]


def test_bars_bands_and_matrices_are_data_too():
    def paint(figure):
        left, right = figure.subplots(1, 2)
        left.bar([0, 1], [3.0, 7.0], label="cases")
        left.set_xticks([0, 1], ["north", "south"])
        left.set_title("one\ntwo")
        left.axvline(0.5)
        right.imshow([[1.5, 2.5]])

    data = data_of(draw(4, 2, paint))
    bars = data[data["kind"] == "bar"]
    assert bars[["panel", "x", "y", "x_label"]].to_numpy().tolist() == [
        ["one, two", 0.0, 3.0, "north"],
        ["one, two", 1.0, 7.0, "south"],
    ]
    assert data[data["kind"] == "cell"][["x", "y", "value"]].to_numpy().tolist() == [[0, 0, 1.5], [1, 0, 2.5]]
    assert set(data["kind"]) == {"bar", "cell"}, "a line across the axes is no data"


def test_the_methods_are_those_of_the_run(run, paper):
    text = (paper / "methods.txt").read_text()
    for part in (
        "300 cases at 9 sites",
        "30 labelled Normal, 9 labelled (blank)",
        "5 outer folds, stratified by class (seed 0)",
        "cnv (41 inputs) by fedadam, 83 rounds of 2 local epochs",
        "sgd at learning rate 0.07, server learning rate 0.013;",
        "The fusion head (gated) was fitted federatedly on out-of-fold outputs of 4 folds",
        "epochs: cnv 29, clinical 29, hif 29",
        "An external cohort of 120 cases",
        "a margin of 0.02, fixed beforehand",
        "torch 2.9.0, flwr 1.41.0",
        "by: tessera-simulate tcga --data a_b",
    ):
        assert part in text
    masked = {**results_of(run), "protocol": {"seed": 3, "cv": "sites", "folds": 7, "masking": "required"}}
    assert "7 outer folds of whole sites" in methods_of(masked)
    assert "Sums over sites were masked" in methods_of(masked)


def test_predictions_are_copied_with_class_names(run, paper):
    assert (paper / "predictions.csv.gz").read_bytes() == (run / "predictions.csv.gz").read_bytes()


def test_a_series_of_runs_has_the_tables_and_figures_of_its_sections(tmp_path):
    series = {"macro_auroc": {"values": [0.9, 0.8], "mean": 0.85, "sd": 0.07}}
    sets = {"fused": series | {"balanced_accuracy": series["macro_auroc"]}}
    repeats = {
        "seeds": [0, 1],
        "cv": "random",
        "arms": {"federated": sets},
        "differences": {"federated-centralised": sets},
    }
    (tmp_path / "results.json").write_text(json.dumps({"task": {"name": "x"}, "repeats": repeats}))
    written = export_run(tmp_path, tmp_path / "to")
    assert {path.stem for path in written if path.parent.name == "figures"} == {"repeats"}
    table = pd.read_csv(tmp_path / "to" / "tables" / "repeats_1.csv")
    assert table["mean"].tolist() == [0.85, 0.85]


def test_what_cannot_be_exported_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match=r"no results\.json here; give the --out folder"):
        export_run(tmp_path, tmp_path / "to")
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="holds something; name another folder in --to"):
        export_run(run, tmp_path)
    old = shutil.copytree(run, tmp_path / "old")
    pd.DataFrame({"arm": ["federated"], "case_id": ["a"], "site": ["b"]}).to_csv(old / "predictions.csv.gz")
    with pytest.raises(ValueError, match="of an earlier version"):
        export_run(old, tmp_path / "to")


def test_what_latex_would_read_as_a_command_is_escaped():
    assert escaped("a_b 50 % & {c} #1 \\x ~ ^ <\N{MINUS SIGN}1") == (
        r"a\_b 50 \% \& \{c\} \#1 \textbackslash{}x \textasciitilde{} \textasciicircum{} \textless{}$-$1"
    )


def test_a_long_table_goes_over_pages_and_a_group_stands_above_its_rows():
    rows = tuple(("first" if n < 20 else "second", f"row {n}", "1") for n in range(MOST_ROWS))
    text = table_in_latex(PaperTable("t", "Long_one", ("g", "name", "n"), rows, pd.DataFrame()))
    assert r"\begin{longtable}{lr}" in text
    assert (
        text.index("first")
        < text.index("row 0 ")
        < text.index("row 19 ")
        < text.index("second")
        < text.index("row 20 ")
    )
    assert r"\caption{Long\_one}" in text
