"""A site folder: what is read of it, and what is refused with all its problems at once."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from modalities.core.settings.federation import federation_from
from modalities.core.settings.site import read_site_config
from modalities.core.settings.task import Task
from modalities.core.site.cases import NO_LABEL, Site, folds_of, open_site

TASK = Task(classes=["A", "B", "C"], drop=["X"])
SITE = "name: north\nsources:\n  hif: {paths: [hif.csv]}\n"
CASES = "case_id,label,split\nc1,A,train\nc2,B,\nc3,,train\nc4,X,train\nc5,C,test\n"
TABLE = "case_id,f,g\nc1,1,2\nc2,3,4\nc3,5,6\nzz,7,8\nc5,9,10\n"


LABELS = "labels: {Luminal A: A, tripel-negativ: B, 3: C, k.A.: missing, normalnah: X}\n"
GERMAN = "case_id,label\nc1,Luminal A\nc2,LUMINAL  A\nc3,3\nc4,k.A.\nc5,normalnah\nc6,B\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "cases.csv").write_text(CASES)
    (tmp_path / "hif.csv").write_text(TABLE)
    return tmp_path


def test_labels_become_class_indices_and_a_blank_split_is_training(folder):
    site = open_site(folder, TASK)
    assert site.name == "north"
    assert list(site.cases.index) == ["c1", "c2", "c3", "c4", "c5"]
    assert list(site.cases["label"]) == [0, 1, NO_LABEL, NO_LABEL, 2]
    assert list(site.cases["split"]) == ["train", "train", "train", "train", "test"]


def test_dropped_and_blank_labels_are_counted(folder):
    assert open_site(folder, TASK).dropped == {"": 1, "X": 1}


def test_the_sites_own_labels_mean_what_its_site_yaml_says(folder):
    (folder / "site.yaml").write_text(SITE + LABELS)
    (folder / "cases.csv").write_text(GERMAN)
    site = open_site(folder, TASK)
    assert list(site.cases["label"]) == [0, 0, 2, NO_LABEL, NO_LABEL, 1]
    assert site.dropped == {"": 1, "X": 1}


def test_labels_that_nobody_maps_are_refused_and_the_command_that_maps_them_is_named(folder):
    (folder / "site.yaml").write_text(SITE + "labels: {Luminal A: A}\n")
    (folder / "cases.csv").write_text(GERMAN)
    with pytest.raises(ValueError, match=r"class list: 3 \(1\), k.A. \(1\), normalnah \(1\); .*tessera-client map"):
        open_site(folder, TASK)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (
            "{Luminal A: D}",
            "labels.Luminal A: mapped to 'D', which is no label of the study; write A, B, C, X, missing",
        ),
        ("{lum a: A, Lum A: B}", "labels.Lum A: mapped twice, to different labels; keep one of the lines"),
    ],
)
def test_labels_mapped_to_nothing_that_the_study_knows_are_refused(folder, labels, problem):
    (folder / "site.yaml").write_text(f"{SITE}labels: {labels}\n")
    with pytest.raises(ValueError, match=re.escape(f"site.yaml, {problem}")):
        open_site(folder, TASK)


def test_words_of_site_yaml_may_look_like_numbers_but_not_like_yes_or_no(folder):
    text = "  clinical: {paths: [hif.csv], values: {er: {%s: positive, 1: negative, 2+: missing, '': missing}}}\n"
    (folder / "site.yaml").write_text(SITE + text % '"no"')
    words = read_site_config(folder / "site.yaml").sources["clinical"].values["er"]
    assert words == {"no": "positive", "1": "negative", "2+": "missing", "": "missing"}
    (folder / "site.yaml").write_text(SITE + text % "no")
    with pytest.raises(
        ValueError, match=r"site.sources.clinical.values.er.*: must be text, got False; put it in quotes"
    ):
        read_site_config(folder / "site.yaml")


def test_columns_may_come_in_any_order_and_others_are_ignored(folder):
    (folder / "cases.csv").write_text("note,label,case_id\nhello,B,c1\n,A,c2\n")
    site = open_site(folder, TASK)
    assert dict(site.cases["label"]) == {"c1": 1, "c2": 0}


def test_label_column_is_the_tasks(folder):
    (folder / "cases.csv").write_text("case_id,pam50\nc1,B\n")
    assert list(open_site(folder, Task(classes=["A", "B"], label="pam50")).cases["label"]) == [1]


def test_raw_labels_are_mapped_by_the_task(folder):
    (folder / "cases.csv").write_text("case_id,er\nc1,Positive\nc2,-\nc3,Unclear\nc5,Pos\n")
    task = Task(classes=["neg", "pos"], label="er", values={"pos": ["Positive", "Pos"], "neg": ["-"]}, drop=["Unclear"])
    site = open_site(folder, task)
    assert dict(site.cases["label"]) == {"c1": 1, "c2": 0, "c3": NO_LABEL, "c5": 1}
    assert site.dropped == {"Unclear": 1}


def write_labelled_table(folder: Path, noted: Callable[[int], int]) -> Site:
    """Twelve cases of A and eleven of B, with a measured column and a noted one."""
    labels = ["A"] * 12 + ["B"] * 11
    cases = [f"k{number},{label}" for number, label in enumerate(labels)]
    rows = [f"k{number},{number * 7 % 23},{noted(number)}" for number in range(23)]
    (folder / "cases.csv").write_text("case_id,label\n" + "\n".join(cases) + "\n")
    (folder / "hif.csv").write_text("case_id,area,noted\n" + "\n".join(rows) + "\n")
    return open_site(folder, Task(classes=["A", "B"], drop=[], leaks=["note"]))


def test_input_that_is_the_label_under_another_name_is_refused(folder):
    config = federation_from({"modalities": {"hif": {}}}).modalities["hif"]
    with pytest.raises(
        ValueError, match=r"site north: hif: noted must not be inputs: .* tell a class from all others without one"
    ):
        write_labelled_table(folder, lambda number: int(number >= 12)).read("hif", config)
    honest = write_labelled_table(folder, lambda number: int(number >= 11)).read("hif", config)  # one exception
    assert honest.features == ("area", "noted")


def test_input_that_the_task_names_as_a_leak_is_refused(folder):
    site = write_labelled_table(folder, lambda number: number % 2)
    (folder / "hif.csv").write_text((folder / "hif.csv").read_text().replace("noted", "note"))
    with pytest.raises(ValueError, match=r"site north: hif: note must not be inputs: task\.leaks"):
        site.read("hif", federation_from({"modalities": {"hif": {}}}).modalities["hif"])


def test_one_class_site_is_fine(folder):
    (folder / "cases.csv").write_text("case_id,label,split\nc1,B,\nc2,B,\n")
    assert list(open_site(folder, TASK).cases["label"]) == [1, 1]


def test_raw_cases_that_are_not_listed_are_left_out_and_counted(folder):
    config = federation_from({"modalities": {"hif": {}}}).modalities["hif"]
    cases = open_site(folder, TASK).read("hif", config)
    assert cases.case_ids == ("c1", "c2", "c3", "c5")
    assert cases.notes["cases not in cases.csv"] == 1  # zz
    assert cases.values.tolist() == [[1, 2], [3, 4], [5, 6], [9, 10]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cases.csv: the file is empty; export it again"),
        ("case_id,label,split\n", "cases.csv: lists no case"),
        (
            "case_id^label^split\nc1^A^train\n",
            "only one column: line 1 has no tab, comma, .*; export it with one of these",
        ),
        (
            "case_id,label;x\nc1,A;1\n",
            "may be split at every comma .2 columns. or semicolon .2 columns.; say it in a line",
        ),
        ("case_id,label,split\nc1,A,train\nc2,B\n", r"the header has 3 fields, but line 3 has 2; the file is cut off"),
        ("case_id,label\nc1,A\nc2,B\nc1,A\n", "cases listed more than once: c1; keep one row a case"),
        (
            "case_id,label\nc1,A\nc2,D\nc3,a\n",
            r"labels outside the class list: D \(1\), a \(1\); the task knows A, B, C and drops X",
        ),
        ("case_id,label,split\nc1,A,Train\nc2,B,valid\n", "split must be train, test or blank, got Train, valid"),
        ("patient,label\nc1,A\n", "no column case_id"),
        ("case_id,subtype\nc1,A\n", "no column label"),
        ("case_id,label\nc1,A\n,B\n", "no case_id in line 3"),
        ("case_id,label,label\nc1,A,B\n", "columns listed more than once: label"),
    ],
)
def test_unusable_case_list_is_refused_with_place_and_remedy(folder, text, said):
    (folder / "cases.csv").write_text(text)
    with pytest.raises(ValueError, match=f"site north: .*{said}"):
        open_site(folder, TASK)


def test_case_list_that_is_no_text_is_refused_with_its_line(folder):
    (folder / "cases.csv").write_bytes(b"case_id,label\nc1,A\nc\x81,B\n")
    with pytest.raises(ValueError, match=r"cases\.csv: line 3 is neither UTF-8 nor Windows-1252 .*; save it as UTF-8"):
        open_site(folder, TASK)


def test_every_problem_of_the_folder_is_named_at_once(folder):
    (folder / "site.yaml").write_text(SITE + "  cnv: {paths: [gone.txt]}\n  clinical: {}\n")
    (folder / "cases.csv").write_text("case_id,label,split\nc1,D,nowhere\nc1,A,train\n")
    with pytest.raises(ValueError, match=r"sources\.cnv: .*gone\.txt does not exist") as error:
        open_site(folder, TASK)
    for said in ("sources.clinical.paths: name at least one", "more than once: c1", "class list: D (1)", "got nowhere"):
        assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nam: north\n", r"site\.yaml, site\.nam: no such setting; did you mean 'name'"),
        ("name: north\npolicy: {min_chort: 3}\n", r"site\.policy\.min_chort: .*'min_cohort'"),
        ("name: north\nsources: {hif: {pahts: [a]}}\n", r"site\.sources\.hif\.pahts: .*'paths'"),
        ("sources: {}\n", r"site\.yaml, site\.name: give the site a name"),
        ("- a\n", r"site\.yaml, .*name"),
        ("a: [\n", r"site\.yaml: cannot be read"),
        ("name: north\nsources: {hif: }\n", r"site\.sources\.hif: must be a section with settings, got None"),
        ("name: north\nsources: {hif: {paths: [a], columns: {age: }}}\n", r"sources\.hif\.columns\.age: must be text"),
        ("name: north\npolicy: {min_cell: -1}\n", r"site\.policy\.min_cell: must be at least 0, got -1"),
        ("name: north\npolicy: {min_cohort: -2}\n", r"site\.policy\.min_cohort: must be at least 0, got -2"),
    ],
)
def test_unusable_site_yaml_is_refused(folder, text, said):
    (folder / "site.yaml").write_text(text)
    with pytest.raises(ValueError, match=said):
        open_site(folder, TASK)


def test_policy_that_allows_a_modality_without_source_is_refused(folder):
    (folder / "site.yaml").write_text(SITE + "policy: {modalities: [hif, cvn]}\n")
    with pytest.raises(ValueError, match=r"policy\.modalities: cvn: no such source; the site has hif"):
        open_site(folder, TASK)


def test_folder_without_site_yaml_says_that_one_is_needed(tmp_path):
    with pytest.raises(ValueError, match=r"site\.yaml: no such file; a site folder needs a site\.yaml"):
        read_site_config(tmp_path / "site.yaml")


def test_site_offers_what_it_has_and_its_policy_allows(folder):
    (folder / "cna.txt").write_text("Hugo_Symbol\tc1\nMYC\t0\n")
    (folder / "site.yaml").write_text(SITE + "  cnv: {paths: [cna.txt]}\npolicy: {modalities: [cnv]}\n")
    assert read_site_config(folder / "site.yaml").offers(["hif", "cnv", "clinical"]) == ["cnv"]


def test_folds_are_stratified_repeatable_and_of_training_cases_only(folder):
    labels = ["A"] * 7 + ["B"] * 5 + [""] * 2
    rows = [f"k{number},{label},train" for number, label in enumerate(labels)] + ["t1,A,test"]
    (folder / "cases.csv").write_text("case_id,label,split\n" + "\n".join(rows) + "\n")
    site = open_site(folder, TASK)
    folds = folds_of(site, seed=1, n_folds=3)
    assert list(folds.index) == [f"k{number}" for number in range(12)]  # no unlabelled, no test case
    assert sorted(Counter(folds).values()) == [4, 4, 4]
    assert max(Counter(folds[:7]).values()) - min(Counter(folds[:7]).values()) <= 1
    assert max(Counter(folds[7:]).values()) - min(Counter(folds[7:]).values()) <= 1
    assert folds.equals(folds_of(site, seed=1, n_folds=3))
    assert not folds.equals(folds_of(site, seed=2, n_folds=3))


@pytest.mark.parametrize(
    ("n_cases", "min_cell", "sizes"), [(23, 0, [5, 5, 5, 4, 4]), (23, 10, [12, 11]), (19, 10, [19]), (7, 10, [7])]
)
def test_a_site_with_few_cases_draws_fewer_folds_so_that_none_is_below_min_cell(folder, n_cases, min_cell, sizes):
    rows = [f"k{number},{'AB'[number % 2]},train" for number in range(n_cases)]
    (folder / "cases.csv").write_text("case_id,label,split\n" + "\n".join(rows) + "\n")
    folds = folds_of(open_site(folder, TASK), 1, 5, min_cell)
    assert sorted(Counter(folds).values(), reverse=True) == sizes
