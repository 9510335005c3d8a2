"""The page of a check has what terminal and JSON say, pictures beside it, and asks nothing of any network."""

import json
import re
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from client.check.checkup import check_everything
from client.check.facts import by_holdings, of_quantities
from client.check.page.write import write_page
from client.cli import app
from modalities.core.hooks import Quantity
from tests.client.check.cohort import change_table, sound_site

RUN = CliRunner()


@pytest.fixture
def site(tmp_path):
    """Ages in thousandths; three slides, of which one is no slide and one of a kind that nothing reads."""
    from modalities.slides.synthetic import write_slides

    folder, _ = sound_site(tmp_path, 12)
    change_table(folder / "clinic.csv", lambda frame: frame.assign(age=frame.age / 1000))
    write_slides(folder / "slides", ["case-004"], [0], np.random.default_rng(2))
    (folder / "slides" / "case-002.svs").write_bytes(b"no slide")
    (folder / "slides" / "case-003.isyntax").write_bytes(b"no slide")
    path = folder / "site.yaml"
    path.write_text(path.read_text().replace("policy:", "  wsi_image: {paths: [slides]}\npolicy:"))
    (folder / "federation.yaml").write_text(
        "modalities: {cnv: {values: calls}, clinical: {}, hif: {kind: table}, wsi_image: {}}\n"
    )
    return folder


def run(*arguments):
    return RUN.invoke(app, ["check", *map(str, arguments), "--offline"])


def test_page_lies_with_tessera_s_own_files_and_says_what_the_terminal_says(site):
    done = run(site, "--federation", site / "federation.yaml", "--html")
    page = (site / ".tessera" / "check.html").read_text()
    assert done.exit_code == 1
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    report = check_everything(site, site / "federation.yaml", offline=True)
    wrong = [problem for problem in report.problems if problem.level != "note"]
    assert [(one.level, one.where) for one in wrong] == [
        ("error", "case-002.svs"),
        ("error", "case-003.isyntax"),
        ("warning", "age"),
    ]
    for problem in wrong:
        assert problem.what.replace("'", "&#39;").replace("`", "") in text
    assert "OpenSlide does not read Philips iSyntax; export the slide as DICOM or TIFF" in text
    assert "This page names cases: it stays at the site." in text
    assert re.search(r"age years at diagnosis 12 0\.0\d+ 0\.0\d+ to 0\.0\d+ 0\.0\d+ 18 to 110 12 ", text)


def test_page_shows_slides_with_their_pictures_and_fetches_nothing(site):
    report = check_everything(site, site / "federation.yaml", offline=True)
    page = write_page(report, site.parent / "elsewhere" / "page.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == 1
    assert page.count('src="data:image/svg+xml;base64,') == sum(
        len(found.quantities) for found in report.modalities.values()
    )
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page) == []
    assert page.index("case-003.isyntax</b>") < page.index("case-004.svs</b>")


def test_json_has_the_numbers_the_slides_and_the_cases(site):
    done = run(site, "--federation", site / "federation.yaml", "--json")
    document = json.loads(done.stdout)
    (age,) = [one for one in document["modalities"]["clinical"]["quantities"] if one["name"] == "age"]
    assert (age["low"], age["high"], age["cases"], age["outside"]) == (18.0, 110.0, 12, 12)
    files = {one["name"]: one["state"] for one in document["modalities"]["wsi_image"]["files"]}
    assert files == {
        "case-002.svs": "not readable",
        "case-003.isyntax": "not readable",
        "case-004.svs": "used",
    }
    assert document["cases"][3] == {
        "case_id": "case-004",
        "label": "Her2",
        "split": "train",
        "holds": ["cnv", "clinical", "hif", "wsi_image"],
    }


def test_a_page_that_is_named_without_html_is_refused(site):
    done = run(site, "page.html")
    assert done.exit_code == 2
    assert not (site / "page.html").exists()


def test_a_folder_that_cannot_be_checked_has_a_page_all_the_same(tmp_path):
    done = run(tmp_path, tmp_path / "page.html", "--html")
    assert done.exit_code == 1
    assert "a site folder needs a site.yaml" in (tmp_path / "page.html").read_text()


def test_quantities_say_how_they_lie_and_how_many_cases_are_beyond():
    """Of 1, 2, 3, 4 and 10 the quartiles are 2, 3 and 4."""
    values = np.array([4.0, 1.0, np.nan, 10.0, 2.0, 3.0])
    (facts,) = of_quantities([Quantity("q", "u", values, 1.5), Quantity("empty", "", np.full(6, np.nan))])
    assert (facts.cases, facts.low, facts.high, facts.outside) == (5, 1.5, None, 1)
    assert (facts.smallest, facts.first_quartile, facts.median, facts.third_quartile, facts.largest) == (1, 2, 3, 4, 10)


def test_holdings_are_counted(site):
    shutil.rmtree(site / "slides")
    change_table(site / "hif.csv", lambda frame: frame.iloc[:5])
    report = check_everything(site, site / "federation.yaml", offline=True)
    assert by_holdings(report.cases) == [(("cnv", "clinical"), 7), (("cnv", "clinical", "hif"), 5)]
