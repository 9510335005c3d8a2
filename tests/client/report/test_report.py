"""`tessera-client report`: the released model and the site's own on its cases, against scikit-learn."""

import re

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, confusion_matrix, roc_auc_score
from typer.testing import CliRunner

from client.alone.own import own_model
from client.cli import app
from client.node.home import Home
from client.report.scores import TEST_CASES, TRAINING_CASES, scored_here
from client.report.write import write_report
from modalities.core.release.release import open_release
from modalities.core.site.store import SiteData
from server.state.release import write_release
from strategies.evaluation.names import FEDERATED, FUSED, GAIN, LOCAL
from strategies.report.words import number
from tests.support import run_small, small_federation, write_sites

FEDERATION = small_federation(evaluation={"local": True})
LONG = 600.0


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION, (("cnv", "hif"), ("cnv",)), (60, 40))


@pytest.fixture(scope="module")
def release(root, tmp_path_factory):
    return write_release(tmp_path_factory.mktemp("out") / "release", run_small(root, FEDERATION))


@pytest.fixture(scope="module")
def here(root, release):
    """Site 1, once the evaluation has trained its own model there."""
    folder = root / "site_1"
    assert own_model(SiteData(folder, FEDERATION), Home(folder), LONG) is not None
    return scored_here(folder, open_release(release))


def test_the_numbers_are_those_of_scikit_learn_on_the_sites_test_cases(here):
    assert here.on == TEST_CASES
    for model in (FEDERATED, LOCAL):
        known = here.rows(FUSED, model)
        labels, said = here.labels[known], here.said[model][FUSED][known]
        numbers, ranking = here.numbers(model, FUSED), here.ranking(model, FUSED)
        assert numbers["n"] == len(labels)
        assert np.array_equal(numbers["confusion"], confusion_matrix(labels, said.argmax(axis=1), labels=range(4)))
        brier = brier_score_loss(labels, said, labels=range(4), scale_by_half=False)
        assert numbers["brier"]["value"] == pytest.approx(brier)
        for place, name in enumerate(FEDERATION.task.classes):
            if ranking["auroc"][name]["value"] is not None:
                auroc = roc_auc_score(labels == place, said[:, place])
                assert ranking["auroc"][name]["value"] == pytest.approx(auroc)
    gain = here.ranking(GAIN, FUSED)["macro_auroc"]["value"]
    macros = [here.ranking(model, FUSED)["macro_auroc"]["value"] for model in (FEDERATED, LOCAL)]
    assert gain == pytest.approx(macros[0] - macros[1])


def test_the_page_names_the_worst_cases_first_and_fetches_nothing(here, tmp_path):
    page = write_report(here, tmp_path).read_text(encoding="utf-8")
    true = here.said[FEDERATED][FUSED][np.arange(len(here.labels)), here.labels]
    worst = here.case_ids[int(np.nanargmin(true))]
    table = page[page.index('id="worst-cases"') :]
    assert re.search(r'<th scope="row">([^<]+)</th>', table)[1] == worst
    row = here.case_ids.index(worst)
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", table[: table.index("</tr>", table.index(worst))])
    assert cells[2] == number(float(true[row]))
    assert cells[5] == number(float(here.said[LOCAL][FUSED][row, here.labels[row]]))
    assert 'id="gain"' in page
    assert 'id="roc"' in page
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|<script|src=\"(?!data:)", page.replace("http://www.w3.org", ""))


def test_a_site_without_test_cases_is_scored_out_of_fold(root, release, tmp_path):
    folder = root / "site_2"
    cases = folder / "cases.csv"
    before = cases.read_text()
    cases.write_text(before.replace(",test", ",train"))
    try:
        here = scored_here(folder, open_release(release))
    finally:
        cases.write_text(before)
    assert here.on == TRAINING_CASES
    assert here.models == [FEDERATED]  # no evaluation trained one of its own here
    assert here.numbers(FEDERATED, "cnv")["n"] == here.rows("cnv").sum() > 0
    page = write_report(here, tmp_path).read_text(encoding="utf-8")
    assert "no model of its own" in page
    assert 'id="gain"' not in page


def test_the_command_writes_the_page_and_says_of_which_cases(root, release, here, tmp_path):
    arguments = ["report", str(root / "site_1"), "--release", str(release), "--out", str(tmp_path), "--unsigned"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert f"{len(here.case_ids)} test cases" in done.output
    assert (tmp_path / "report.html").is_file()


def test_a_site_without_a_label_is_told_what_to_do(root, release, tmp_path):
    folder = root / "site_2"
    cases = folder / "cases.csv"
    before = cases.read_text()
    header, *rows = before.splitlines()
    label = header.split(",").index("label")
    blank = [",".join("" if place == label else cell for place, cell in enumerate(row.split(","))) for row in rows]
    cases.write_text("\n".join([header, *blank]) + "\n")
    try:
        with pytest.raises(ValueError, match="no labelled case here that the release can read"):
            scored_here(folder, open_release(release))
    finally:
        cases.write_text(before)
