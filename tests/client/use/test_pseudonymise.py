"""A site of hospital numbers goes by pseudonyms everywhere, and no file but site.yaml is touched."""

import numpy as np
import pytest
from typer.testing import CliRunner

from client.check.folder import check_site
from client.cli import app
from client.use.predict import predict
from client.use.prediction_page import write_predictions
from modalities.core.contract import Source
from modalities.core.problems import ProblemsError
from modalities.core.pseudonyms import read_pseudonyms
from modalities.core.release.release import open_release
from modalities.core.site.store import SiteData
from modalities.slides.reading.manifest import listed_files
from server.state.release import write_release
from tests.support import run_small, small_federation, write_sites

FEDERATION = small_federation()
OLD, NUMBER = "site_1-case-", "4711"


def run(*words):
    return CliRunner().invoke(app, ["pseudonymise", *map(str, words)])


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".tessera" not in path.parts}


@pytest.fixture
def folder(tmp_path):
    """A site whose case ids are hospital numbers, in every file."""
    site = write_sites(tmp_path, FEDERATION, [("cnv", "hif")], [37]) / "site_1"
    for path in files_of(site):
        path.write_text(path.read_text().replace(OLD, NUMBER))
    return site


def test_check_finds_hospital_numbers_before_and_the_same_site_without_them_after(folder):
    before, raw = check_site(folder, FEDERATION), files_of(folder)
    assert any("look like hospital numbers" in problem.what for problem in before.problems)
    done = run(folder)
    assert done.exit_code == 0, done.output
    assert "pseudonyms.json: 37 cases, 37 of them new" in done.output.replace("\n", " ")
    after = check_site(folder, FEDERATION)
    assert after.modalities == before.modalities
    assert NUMBER not in "".join(map(str, after.problems))
    assert [problem for problem in after.problems if problem.level != "note"] == []
    changed = {path.name for path, content in files_of(folder).items() if raw.get(path) != content}
    assert changed == {"site.yaml", "pseudonyms.json"}


def test_every_case_keeps_its_values_and_label(folder):
    plain = SiteData(folder, FEDERATION)
    listed, read = plain.site.cases, {name: plain.cases(name) for name in ("cnv", "hif")}
    run(folder)
    held, data = read_pseudonyms(folder / "pseudonyms.json"), SiteData(folder, FEDERATION)
    assert data.site.cases.index.tolist() == [held.of(case_id) for case_id in listed.index]
    assert data.site.cases["label"].tolist() == listed["label"].tolist()
    for name, cases in read.items():
        assert list(data.cases(name).case_ids) == [held.of(case_id) for case_id in cases.case_ids]
        assert np.array_equal(data.cases(name).values, cases.values, equal_nan=True)
    assert data.roll.case_ids == tuple(map(held.of, plain.roll.case_ids))


def test_predictions_name_pseudonyms_which_the_site_alone_leads_back(folder, tmp_path):
    study = run_small(folder.parent, FEDERATION)
    release = open_release(write_release(tmp_path / "release", study))
    before = predict(release, folder)
    run(folder)
    after = predict(release, folder)
    held = read_pseudonyms(folder / "pseudonyms.json")
    assert list(after.case_ids) == [held.of(case_id) for case_id in before.case_ids]
    assert np.array_equal(after.probabilities, before.probabilities, equal_nan=True)
    assert after.trained == {held.of(case_id) for case_id in before.trained} != set()
    for path in write_predictions(after, tmp_path / "out"):
        assert NUMBER not in path.read_text()
    assert run(folder, "--who", after.case_ids[3]).output == f"{before.case_ids[3]}\n"


def test_slides_are_listed_by_pseudonym(folder):
    run(folder)
    slides = folder / "slides"
    slides.mkdir()
    (slides / "one.svs").write_bytes(b"x")
    (slides / "slides.csv").write_text("case_id,slide\n4711001,one\n")
    held = read_pseudonyms(folder / "pseudonyms.json")
    (entry,) = listed_files(Source((slides,), pseudonyms=held))
    assert entry.case_id == held.of("4711001") != "4711001"


def test_a_new_patient_is_read_at_once_and_led_back_after_the_command(folder):
    run(folder)
    first = read_pseudonyms(folder / "pseudonyms.json")
    with (folder / "cases.csv").open("a") as file:
        file.write("4711999,LumA,train\n")
    new = first.of("4711999")
    assert new in SiteData(folder, FEDERATION).site.cases.index
    assert "not on the list of pseudonyms.json" in run(folder, "--who", new).output.replace("\n", " ")
    assert "38 cases, 1 of them new" in run(folder).output.replace("\n", " ")
    assert run(folder, "--who", new).output == "4711999\n"
    assert read_pseudonyms(folder / "pseudonyms.json").key == first.key


def test_the_file_may_lie_elsewhere_and_is_named_once(folder, tmp_path):
    (tmp_path / "keys").mkdir()
    assert run(folder, "--file", "../keys/p.json").exit_code == 0
    assert (folder / "site.yaml").read_text().endswith("\npseudonyms: ../keys/p.json\n")
    assert not (folder / "pseudonyms.json").exists()
    assert "../keys/p.json is named already, not q.json" in run(folder, "--file", "q.json").output.replace("\n", " ")
    text = (folder / "site.yaml").read_text()
    assert run(folder).exit_code == 0
    assert (folder / "site.yaml").read_text() == text


def test_without_its_file_nothing_is_read_under_the_hospitals_numbers(folder):
    run(folder)
    (folder / "pseudonyms.json").rename(folder / "away.json")
    report = check_site(folder, FEDERATION)
    assert [str(problem) for problem in report.problems if problem.level == "error"] == [
        f"{folder / 'pseudonyms.json'}: no such file; make it with `tessera-client pseudonymise`, or take "
        "`pseudonyms` out of site.yaml"
    ]
    with pytest.raises(ProblemsError, match=r"pseudonyms\.json: no such file"):
        SiteData(folder, FEDERATION).cases("cnv")
    again = run(folder)  # another key would make other pseudonyms: nobody wants them without having asked
    assert again.exit_code == 1
    assert not (folder / "pseudonyms.json").exists()


def test_a_site_without_pseudonyms_has_none_to_lead_back(folder):
    assert "the site has no pseudonyms" in run(folder, "--who", "P-AAAA-BBBB-CCCC").output
