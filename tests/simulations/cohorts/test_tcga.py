"""A data folder becomes site folders."""

from pathlib import Path

import numpy as np
import pytest

from modalities.cnv import Config as CnvConfig
from modalities.core.contract import Source
from modalities.core.registry import plugin
from modalities.core.settings.federation import load_federation
from modalities.core.settings.task import Task
from modalities.table import Config as TableConfig
from simulations.cohorts.cohort import Cohort
from simulations.cohorts.tcga import POOLED, Dataset, group_sites, open_dataset, write_raw_files

TASK = Task(classes=["LumA", "Basal"], drop=["Normal"])
LABELS = """case_id,site_code,site_name,pam50
TCGA-AA-0001,AA,Somewhere,LumA
TCGA-AA-0002,AA,Somewhere,Basal
TCGA-AA-0003,AA,Somewhere,Normal
TCGA-NA-0004,NA,"Else, where",LumA
TCGA-NA-0005,NA,"Else, where",LumA
TCGA-CC-0006,CC,There,Basal
TCGA-CC-0007,CC,There,
"""


@pytest.fixture
def folder(tmp_path):
    """Labels, copy number of five cases and a table of four."""
    data = tmp_path / "data"
    for name in ("labels", "cnv", "deep/er"):
        (data / name).mkdir(parents=True)
    (data / "labels" / "pam50.csv").write_text(LABELS)
    (data / "cnv" / "data_cna.txt").write_text(
        "Hugo_Symbol\tTCGA-AA-0001-01\tTCGA-AA-0002-01\tTCGA-NA-0004-01\tTCGA-NA-0005-01\tTCGA-CC-0006-01\n"
        "MYC\t0\t1\t2\t-1\t-2\n"
    )
    (data / "deep" / "er" / "hif.csv").write_text(
        "patient,area\nTCGA-AA-0001,1\nTCGA-AA-0003,3\nTCGA-NA-0004,4\nTCGA-CC-0007,7\n"
    )
    return data


def test_the_usual_layout_needs_no_description(folder):
    dataset = open_dataset(folder, ["cnv", "hif"], TASK)
    assert dataset.cases["site"].tolist() == ["AA", "AA", "AA", "NA", "NA", "CC", "CC"]  # the code NA is a code
    assert dataset.cases.loc["TCGA-AA-0003", "label"] == "Normal"
    assert [path.name for path in dataset.files["hif"]] == ["hif.csv"]
    assert [path.name for path in dataset.files["cnv"]] == ["data_cna.txt"]  # log2 is not there: no matter


def test_a_dataset_yaml_changes_any_of_it(folder):
    (folder / "mine.tsv").write_text("who\twhat\twhere\np1\tLumA\tX\np2\tBasal\tY\n")
    (folder / "rna.csv").write_text("who,ESR1\np1,3\n")
    (folder / "dataset.yaml").write_text(
        "labels: {path: mine.tsv, case_id: who, label: what, site: where}\nsources: {rna: [rna.csv]}\n"
    )
    dataset = open_dataset(folder, ["rna", "hif"], TASK)
    assert dict(dataset.cases["label"]) == {"p1": "LumA", "p2": "Basal"}
    assert dict(dataset.cases["site"]) == {"p1": "X", "p2": "Y"}
    assert dataset.files["rna"] == [folder / "rna.csv"]


def test_everything_absent_or_ambiguous_is_named_at_once(folder):
    (folder / "labels" / "pam50.csv").write_text(LABELS.replace("LumA\n", "LumX\n", 1))
    (folder / "cnv" / "data_cna.txt").unlink()
    (folder / "hif.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match=r"cnv: none of cnv/data_cna\.txt, cnv/data_log2_cna\.txt is there") as error:
        open_dataset(folder, ["cnv", "hif", "rppa"], TASK)
    for said in (
        "hif: needs one file hif.csv, .tsv or .parquet below the folder, found deep/er/hif.csv, hif.parquet",
        "rppa: needs one file rppa.csv, .tsv or .parquet below the folder, found none",
        "pam50.csv: labels outside the class list: LumX (1); the task knows LumA, Basal and drops Normal: correct them",
    ):
        assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LABELS.replace("pam50", "subtype"), r"pam50\.csv: no column pam50; name the columns in dataset\.yaml"),
        (LABELS + "TCGA-AA-0001,AA,Somewhere,LumA\n", "cases listed more than once: TCGA-AA-0001; keep one row a case"),
        (LABELS.replace(",", "^"), "only one column: line 1 has no tab, comma"),
        ("", "the file is empty"),
    ],
)
def test_unusable_labels_are_refused_with_the_folder(folder, text, said):
    (folder / "labels" / "pam50.csv").write_text(text)
    with pytest.raises(ValueError, match=f"^{folder}: .*{said}"):
        open_dataset(folder, ["cnv"], TASK)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sourcs: {}\n", r"dataset\.yaml\.sourcs: no such setting; did you mean 'sources'"),
        ("labels: {pth: x}\n", r"dataset\.yaml\.labels\.pth: .*'path'"),
        ("a: [\n", r"dataset\.yaml: cannot be read"),
        ("- a\n", r"dataset\.yaml: must be a section with settings"),
        (
            "sources: {cnv: [cnv/data_cna.txt, cnv/more.txt]}\n",
            r"cnv: cnv/more\.txt, which dataset\.yaml names, is not",
        ),
    ],
)
def test_unusable_dataset_yaml_is_refused(folder, text, said):
    (folder / "dataset.yaml").write_text(text)
    with pytest.raises(ValueError, match=said):
        open_dataset(folder, ["cnv"], TASK)


def test_small_sites_are_pooled_counting_usable_cases_only(folder):
    dataset = open_dataset(folder, ["cnv"], TASK)
    assert group_sites(dataset, TASK, min_site=1).tolist() == ["AA", "AA", "AA", "NA", "NA", "CC", "CC"]
    # CC has one usable case, the other has no label
    assert group_sites(dataset, TASK, min_site=2).tolist() == ["AA", "AA", "AA", "NA", "NA", POOLED, POOLED]
    assert group_sites(dataset, TASK, min_site=3).tolist() == [POOLED] * 7


def test_sites_can_be_grouped_by_a_file_of_codes(folder, tmp_path):
    groups = tmp_path / "groups.csv"
    groups.write_text("code,name,site\nAA,x,north\nCC,y,north\nZZ,z,south\n")
    dataset = open_dataset(folder, ["cnv"], TASK)
    found = group_sites(dataset, TASK, min_site=1, sites_by=groups)
    assert found.tolist() == ["north"] * 3 + [POOLED] * 2 + ["north"] * 2


def test_every_site_gets_raw_files_of_its_own_cases_that_the_plugins_read(folder, tmp_path):
    dataset = open_dataset(folder, ["cnv", "hif"], TASK)
    sources = write_raw_files(dataset, dataset.cases["site"], tmp_path / "out")
    assert {site: sorted(held) for site, held in sources.items()} == {
        "AA": ["cnv", "hif"],
        "CC": ["cnv", "hif"],
        "NA": ["cnv", "hif"],
    }
    cnv = plugin("cnv").read(sources["AA"]["cnv"], CnvConfig())
    assert cnv.case_ids == ("TCGA-AA-0001", "TCGA-AA-0002")
    assert cnv.values.tolist() == [[0], [1]]
    hif = plugin("table").read(sources["CC"]["hif"], TableConfig())
    assert (hif.case_ids, hif.values.tolist()) == (("TCGA-CC-0007",), [[7]])


def test_a_folder_of_segments_that_dataset_yaml_names_becomes_arms_at_every_site(folder, tmp_path):
    case_ids = ["TCGA-AA-0001", "TCGA-AA-0002", "TCGA-NA-0004", "TCGA-CC-0006", "TCGA-ZZ-9999"]
    plugin("cnv").write_example(folder / "made", case_ids, [0, 1, 0, 1, 0], np.random.default_rng(1))
    (folder / "dataset.yaml").write_text("sources: {cnv: [made/segments]}\n")
    dataset = open_dataset(folder, ["cnv"], TASK)
    sources = write_raw_files(dataset, dataset.cases["site"], tmp_path / "out")
    config = CnvConfig(values="arms")
    read = {site: plugin("cnv").read(own["cnv"], config) for site, own in sources.items()}
    assert {site: cases.case_ids for site, cases in read.items()} == {
        "AA": ("TCGA-AA-0001", "TCGA-AA-0002"),
        "NA": ("TCGA-NA-0004",),
        "CC": ("TCGA-CC-0006",),
    }
    whole = plugin("cnv").read(Source((folder / "made" / "segments",)), config)
    np.testing.assert_array_equal(read["NA"].values, whole.select(["TCGA-NA-0004"]).values)


ER = Task(
    classes=["positive", "negative"],
    label="er_status",
    values={"positive": ["Positive"], "negative": ["Negative"]},
    drop=["Unclear"],
)
BIOTAB = """bcr_patient_uuid\tbcr_patient_barcode\ter_status
uuid\tbarcode\ter_status_by_ihc
CDE_ID:1\tCDE_ID:2\tCDE_ID:3
u1\tTCGA-AA-0001\tPositive
u2\tTCGA-AA-0002\tNegative
u3\tTCGA-AA-0003\tUnclear
u4\tTCGA-NA-0004\tPositive
u9\tTCGA-ZZ-0009\tof no case here
"""
XENA = """sampleID\t_PATIENT\ter_status
TCGA-AA-0001-01\tTCGA-AA-0001\tPositive
TCGA-AA-0001-06\tTCGA-AA-0001\tNegative
TCGA-CC-0006-01\tTCGA-CC-0006\tNegative
"""


@pytest.fixture
def clinical(folder):
    (folder / "clinical").mkdir()
    (folder / "clinical" / "nationwidechildrens.org_clinical_patient_brca.txt").write_text(BIOTAB)
    (folder / "clinical" / "BRCA_clinicalMatrix.tsv").write_text(XENA)
    return folder / "clinical"


def test_label_that_the_case_list_lacks_is_found_in_the_clinical_tables(folder, clinical):
    """The metastasis of TCGA-AA-0001 is another sample; what nobody says of a case is blank."""
    found = open_dataset(folder, ["cnv"], ER).cases
    assert found["label"].tolist() == ["Positive", "Negative", "Unclear", "Positive", "", "Negative", ""]
    assert group_sites(Dataset(found, {}), ER, min_site=2).tolist() == ["AA"] * 3 + [POOLED] * 4


def test_column_of_the_case_list_goes_before_those_of_the_tables(folder, clinical):
    path = folder / "labels" / "pam50.csv"
    path.write_text(LABELS.replace("pam50", "er_status").replace("LumA", "Positive").replace(",Normal", ",Unclear"))
    with pytest.raises(ValueError, match=r"pam50\.csv: labels outside the class list: Basal \(2\); the task knows Pos"):
        open_dataset(folder, ["cnv"], ER)


def test_labels_that_differ_from_table_to_table_are_refused_with_the_cases(folder, clinical):
    (clinical / "BRCA_clinicalMatrix.tsv").write_text(XENA.replace("01\tTCGA-AA-0001\tPos", "01\tTCGA-AA-0001\tNeg"))
    said = r"_brca\.txt, BRCA_clinicalMatrix\.tsv: er_status of 1 cases is not the same in every row \(TCGA-AA-0001\)"
    with pytest.raises(ValueError, match=said):
        open_dataset(folder, ["cnv"], ER)


def test_label_that_no_table_has_is_refused_with_all_that_were_looked_through(folder, clinical):
    (clinical / "BRCA_clinicalMatrix.tsv").write_text(XENA.replace("er_status", "er"))
    said = r"pam50\.csv: no column er_stat, nor has nationwide.*_brca\.txt, BRCA_clinicalM.*; name .*task\.label"
    with pytest.raises(ValueError, match=said):
        open_dataset(folder, ["cnv"], Task(classes=["a", "b"], label="er_stat"))


@pytest.mark.parametrize(("name", "n", "counts"), [("er", 788, (630, 158)), ("stage", 813, (600, 213))])
def test_shipped_tasks_find_their_labels_in_the_real_tables(tcga_data, name, n, counts):
    federation = load_federation(Path(__file__).resolve().parents[3] / "docs" / "tasks" / f"{name}.yaml")
    cases = open_dataset(tcga_data / "tcga-brca", ["cnv"], federation.task).cases
    found = Cohort(cases, {}).usable(federation)["label"].value_counts()
    assert tuple(found[label] for label in federation.task.classes) == counts
    assert sum(counts) == n


@pytest.mark.slow
def test_real_cohort_is_dealt_out_whole(tcga_data, tmp_path):
    task = Task()
    dataset = open_dataset(tcga_data / "tcga-brca", ["cnv", "hif"], task)
    assert dataset.cases["label"].isin(task.classes).sum() == 788
    site_of = group_sites(dataset, task, min_site=20)
    sources = write_raw_files(dataset, site_of, tmp_path)
    read = [plugin("cnv").read(own["cnv"], CnvConfig()) for own in sources.values()]
    assert sum(len(cases.case_ids) for cases in read) == 718
    assert {len(cases.features) for cases in read} == {1333}
