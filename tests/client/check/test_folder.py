"""A site folder with everything wrong says so at once; one that is sound says nothing wrong."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from client.check.case_list import check_cases, scored_cases
from client.check.folder import check_site
from modalities.core.settings.federation import Task, federation_from
from modalities.core.settings.site import Policy
from tests.support import small_federation, write_sites

FEDERATION = small_federation()
TASK = Task(classes=["A", "B", "C"], drop=["X"])


@pytest.fixture
def folder(tmp_path):
    return write_sites(tmp_path, FEDERATION, [("cnv", "hif")], [37]) / "site_1"


def errors(report):
    return [finding for finding in report.problems if finding.level == "error"]


def said(report, level, file=""):
    return [finding.what for finding in report.problems if finding.level == level and file in finding.file]


def rewrite(path, change):
    path.write_text(change(path.read_text()))


def test_sound_site_has_no_error_and_says_what_it_holds(folder):
    report = check_site(folder, FEDERATION)
    assert report.ok
    assert said(report, "warning") == []
    table = pd.read_csv(folder / "hif" / "table.csv")
    listed = pd.read_csv(folder / "cases.csv")
    training = set(listed.case_id[(listed.split == "train") & listed.label.isin(FEDERATION.task.classes)])
    assert report.modalities["hif"].takes_part
    assert report.modalities["hif"].cases == len(table)
    assert report.modalities["hif"].training_cases == sum(case_id in training for case_id in table.case_id)


def test_broken_parts_do_not_hide_each_other(folder):
    rewrite(folder / "site.yaml", lambda text: text.replace("min_cohort", "min_chort"))
    rewrite(folder / "cases.csv", lambda text: "")
    rewrite(folder / "cnv" / "data_cna.txt", lambda text: text.replace("Hugo_Symbol", "gene"))
    rewrite(folder / "hif" / "table.csv", lambda text: text.replace("feature_1,", "PAM50,", 1) + "x" + ",high" * 12)
    found = errors(check_site(folder, FEDERATION))
    assert [(one.file, one.where) for one in found[:3]] == [
        ("site.yaml", "site.policy.min_chort"),
        ("cases.csv", ""),
        ("data_cna.txt", ""),
    ]
    assert "12 cells are no finite number" in found[3].what
    assert found[3].where.startswith("line ")


def test_absent_site_yaml_is_said(tmp_path):
    (found,) = check_site(tmp_path, FEDERATION).problems
    assert found.what == "no such file"
    assert found.remedy == "a site folder needs a site.yaml"


def test_source_that_is_not_there_does_not_stop_the_others(folder):
    (folder / "hif" / "table.csv").unlink()
    report = check_site(folder, FEDERATION)
    (found,) = errors(report)
    assert (found.file, found.where) == ("site.yaml", "sources.hif")
    assert report.modalities["cnv"].takes_part
    assert report.modalities["hif"].cases is None


def test_cases_on_one_side_only_are_counted_and_other_spellings_told(folder):
    path = folder / "hif" / "table.csv"
    table = pd.read_csv(path)
    table.loc[3, "case_id"] = table.loc[3, "case_id"].upper()
    stranger = table.iloc[[5]].assign(case_id="stranger", feature_1=9.0)
    pd.concat([table, stranger]).to_csv(path, index=False)
    report = check_site(folder, FEDERATION)
    notes, warnings = said(report, "note", "hif"), said(report, "warning", "hif")
    n_lacking = 37 - (len(table) - 1)
    assert report.modalities["hif"].notes["cases not in cases.csv"] == 2
    assert report.modalities["hif"].cases == len(table) - 1
    assert f"2 of the {len(table) + 1} cases in it are not in cases.csv (SITE_1-CASE" in notes[0]
    assert notes[1] == f"{n_lacking} of the 37 cases in cases.csv have no hif: a case may lack a modality"
    assert warnings[0].startswith("1 cases are in cases.csv in another spelling: SITE_1-CASE-")


def test_that_cases_lack_a_modality_is_said_only_where_some_do(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("cnv", "hif"), ("cnv",)], [37, 11])
    for number, n_lacking in ((1, 6), (2, 0)):
        report = check_site(root / f"site_{number}", FEDERATION)
        assert report.modalities["cnv"].cases == (37, 11)[number - 1] - n_lacking
        lacking = [what for what in said(report, "note") if "have no cnv: a case may lack a modality" in what]
        assert lacking == ["6 of the 37 cases in cases.csv have no cnv: a case may lack a modality"] * (n_lacking > 0)


def test_file_without_any_listed_case_is_an_error(folder):
    rewrite(folder / "hif" / "table.csv", lambda text: text.replace("site_1-case", "elsewhere"))
    report = check_site(folder, FEDERATION)
    (found,) = errors(report)
    assert "cases in it are not in cases.csv" in found.what
    assert not report.modalities["hif"].takes_part


def test_cohort_below_the_sites_own_minimum_takes_no_part(folder):
    rewrite(folder / "site.yaml", lambda text: text.replace("min_cohort: 0", "min_cohort: 1000"))
    report = check_site(folder, FEDERATION)
    assert not any(found.takes_part for found in report.modalities.values())
    (found,) = errors(report)
    assert found.what == "the site takes part with none of the study's modalities (cnv, hif)"
    assert "fewer than min_cohort = 1000: hif takes no part" in said(report, "warning", "hif")[0]


def test_source_that_the_study_does_not_ask_for_is_noted(folder):
    federation = small_federation()
    fewer = type(federation)(0, federation.task, federation.fusion, {"cnv": federation.modalities["cnv"]})
    assert said(check_site(folder, fewer), "note", "site.yaml")[0].startswith(
        "sources that this study does not ask for"
    )


def test_plain_values_are_what_the_documentation_says(folder):
    document = json.loads(json.dumps(check_site(folder, FEDERATION).to_dict()))
    assert list(document) == ["version", "site", "ok", "modalities", "cases", "problems"]
    of_modality = {"offered", "takes_part", "cases", "training_cases", "notes", "quantities", "files"}
    assert set(document["modalities"]["cnv"]) == of_modality
    assert set(document["cases"][0]) == {"case_id", "label", "split", "holds"}
    assert {key for problem in document["problems"] for key in problem} == {"level", "what", "remedy", "file", "where"}


def cases_said(folder, text, min_cell=10):
    (folder / "cases.csv").write_text(text)
    cases, found = check_cases(folder / "cases.csv", TASK, Policy(min_cell=min_cell))
    return cases, {(one.level, one.where, one.what) for one in found}


def test_split_labels_and_small_classes_of_the_case_list_are_told(tmp_path):
    rows = [f"p{n},{'AAAB'[n % 4]},{'test' if n == 3 else 'train'}" for n in range(9)]
    text = "\n".join(["case_id,label,split", *rows, "q1,,train", "q2,X,", "q3,A,"]) + "\n"
    cases, found = cases_said(tmp_path, text, min_cell=5)
    assert len(cases) == 12
    assert found == {
        ("warning", "column split", "2 of 12 cases have no split: they are used for training"),
        ("note", "column label", "1 cases have no label: they are left out of training"),
        ("note", "column label", "1 cases have the label X, which the task drops: they are left out of training"),
        ("warning", "column label", "no case for training of class C"),
        ("note", "column label", "fewer than min_cell = 5 cases for training: B 1"),
    }


def test_words_mapped_for_data_that_holds_none_are_an_error(folder):
    rewrite(folder / "site.yaml", lambda text: text.replace("  hif:\n", "  hif:\n    values: {a: {x: y}}\n"))
    (problem,) = errors(check_site(folder, FEDERATION))
    assert problem.what == "nothing of this kind of data is read through `values`: these lines do nothing"
    assert problem.file == "hif/table.csv"


def test_a_mapped_label_that_no_case_has_is_an_error_with_those_that_there_are(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("case_id,label\np1,Luminal A\np2,B\np3,\n")
    cases, found = check_cases(path, TASK, Policy(), own_labels={"luminal a": "A", "Luminal B": "B"})
    assert list(cases["label"]) == [0, 1, -1]
    assert [str(problem) for problem in found if problem.level == "error"] == [
        "site.yaml, labels: mapped, but no case in cases.csv has it: 'Luminal B'; correct or delete these lines; "
        "there is B, Luminal A"
    ]


def test_a_site_that_only_evaluates_needs_labelled_cases_and_no_split(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("case_id,label\np1,A\np2,\n")
    cases, found = check_cases(path, TASK, Policy(), only_evaluates=True)
    assert list(scored_cases(cases).index) == ["p1"]
    assert [(one.level, one.what) for one in found] == [("note", "1 cases have no label: they are left out")]
    path.write_text("case_id,label\np1,\n")
    _, found = check_cases(path, TASK, Policy(), only_evaluates=True)
    assert ("error", "no labelled case to evaluate with") in [(one.level, one.what) for one in found]


@pytest.mark.parametrize(("least", "takes_part"), [(10, True), (38, False)])
def test_all_cases_of_a_site_that_only_evaluates_count(folder, least, takes_part):
    text = (folder / "site.yaml").read_text().replace("min_cohort: 0", f"min_cohort: {least}")
    (folder / "site.yaml").write_text(f"takes_part: evaluate\n{text}")
    cases = pd.read_csv(folder / "cases.csv")
    cases.assign(split="train").to_csv(folder / "cases.csv", index=False)
    report = check_site(folder, FEDERATION)
    assert {one.takes_part for one in report.modalities.values()} == {takes_part}
    assert takes_part == (errors(report) == [])


def test_only_where_no_case_is_kept_for_testing_it_is_said(tmp_path):
    none = ("note", "column split", "no case is kept for testing: the study is not scored at this site")
    assert none in cases_said(tmp_path, "case_id,label,split\np1,A,train\np2,B,train\n")[1]
    assert none not in cases_said(tmp_path, "case_id,label,split\np1,A,train\np2,B,test\n")[1]


def test_case_list_without_split_or_label_is_told(tmp_path):
    _, found = cases_said(tmp_path, "case_id,label\np1,\np2,\n")
    assert ("warning", "column split", "no column split: every case is used for training") in found
    assert ("error", "column label", "no labelled case for training") in found


def test_repeated_and_differently_spelled_cases_are_told(tmp_path):
    cases, found = cases_said(tmp_path, "case_id,label,split\nP-01,A,\np01,A,\nq,B,test\nq,B,test\n")
    assert list(cases.index) == ["P-01", "p01", "q"]
    assert ("error", "column case_id", "cases listed more than once: q") in found
    assert ("warning", "column case_id", "case ids that differ in spelling only: P-01 and p01") in found


def test_real_site_is_sound(tcga_data, tmp_path):
    """A tissue source site of TCGA-BRCA, dealt out as tessera-simulate tcga does."""
    from modalities.core.settings.federation import federation_from
    from modalities.core.settings.site import write_site
    from simulations.cohorts.tcga import open_dataset, write_raw_files

    federation = federation_from({"modalities": {"cnv": {}, "clinical": {}, "hif": {"kind": "table"}}})
    dataset = open_dataset(tcga_data / "tcga-brca", list(federation.modalities), federation.task)
    own = dataset.cases[dataset.cases["site"] == "BH"]
    sources = write_raw_files(dataset, own["site"], tmp_path)["BH"]
    split = np.where(np.arange(len(own)) % 5 == 0, "test", "train")
    write_site(tmp_path / "BH", "BH", own.reset_index()[["case_id", "label"]].assign(split=split), sources, Policy())
    report = check_site(tmp_path / "BH", federation)
    assert report.ok
    assert said(report, "warning") == []
    assert {name: found.cases for name, found in report.modalities.items()} == {"cnv": 115, "clinical": 133, "hif": 105}


def test_slides_that_cannot_be_read_are_an_error_with_their_names_and_one_reason(tmp_path):
    (tmp_path / "slides").mkdir()
    for number in range(5):
        torch.save(torch.rand(3, 8), tmp_path / "slides" / f"c{number}.pt")
    for name in ("c3.pt", "c4.pt"):
        (tmp_path / "slides" / name).write_bytes(b"cut off")
    (tmp_path / "cases.csv").write_text("case_id,label,split\n" + "".join(f"c{n},LumA,train\n" for n in range(5)))
    (tmp_path / "site.yaml").write_text("name: a\nsources: {wsi_image: {paths: [slides]}}\npolicy: {min_cohort: 1}\n")
    report = check_site(tmp_path, federation_from({"modalities": {"wsi_image": {}}}))
    (found,) = errors(report)
    assert not report.ok
    assert (found.where, found.what[:35]) == ("c3.pt, c4.pt", "not a feature file that can be read")


def test_each_slide_that_is_no_use_is_an_error_with_its_reason_even_where_none_can_be_read(tmp_path, tcga_data):
    """A real slide without micrometres a pixel, and one of a format that nothing reads; unlisted ones do not count."""
    (tmp_path / "slides").mkdir()
    shutil.copy(tcga_data / "slides" / "tcga-cr-7395-01a-01-ts1.svs", tmp_path / "slides" / "c0.svs")
    for name in ("c1.isyntax", "c2.vsi"):
        (tmp_path / "slides" / name).write_bytes(b"x")
    (tmp_path / "slides" / "slides.csv").write_text("case_id,slide\nc0,c0.svs\nc1,c1.isyntax\n")
    (tmp_path / "cases.csv").write_text("case_id,label,split\n" + "".join(f"c{n},LumA,train\n" for n in range(3)))
    (tmp_path / "site.yaml").write_text("name: a\nsources: {wsi_image: {paths: [slides]}}\npolicy: {min_cohort: 1}\n")
    report = check_site(tmp_path, federation_from({"modalities": {"wsi_image": {}}}))
    found = {one.where: str(one) for one in errors(report) if one.where}
    assert found["c0.svs"].startswith(
        "slides, c0.svs: no microns-per-pixel in the slide's metadata; set `slides.default_mpp`"
    )
    assert found["c1.isyntax"].endswith("OpenSlide does not read Philips iSyntax; export the slide as DICOM or TIFF")
    assert set(found) == {"c0.svs", "c1.isyntax"}
    assert [(file.name, file.state) for file in report.modalities["wsi_image"].files] == [
        ("c0.svs", "not readable"),
        ("c1.isyntax", "not readable"),
        ("c2.vsi", "left out"),
    ]
