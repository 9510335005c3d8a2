"""What is downloaded is a data folder that `tessera-simulate tcga` reads; what cannot be had is said."""

import datetime
import shutil
from collections import namedtuple

import pandas as pd
import pytest

from modalities.core.problems import ProblemsError
from modalities.core.registry import plugin
from modalities.core.settings.federation import federation_from
from modalities.core.settings.task import Task
from modalities.core.settings.yaml_file import plain_in
from server.network.certificates import Tls, issue_server_certificate, make_authority
from simulations.cohorts.tcga import group_sites, open_dataset, write_raw_files
from simulations.download.asking import checked_address
from simulations.download.cbioportal import Clinical, labels_of
from simulations.download.download import cases_in, study_of
from tests.simulations.download.made import CASES, CLINICAL, FAST, LABELS, file_of, id_of, make, portal_of, segments_of
from tests.simulations.download.portal import File, serving

TASK = Task(classes=["LumA", "Basal"])
NORMAL = File(id_of(9), "blood.nocnv_grch38.seg.v2.txt", b"x", case_id=CASES[0], sample_id=f"{CASES[0]}-10A")


@pytest.fixture
def files():
    return [segments_of(number, case_id) for number, case_id in enumerate(CASES, start=1)]


def test_the_folder_is_dealt_out_to_sites_and_read_by_the_plug_ins(tmp_path, files):
    out = tmp_path / "tcga"
    with serving(portal_of([*files, NORMAL])) as portal:
        portal.page = 2
        make(portal, out)
    assert portal.asked_of(NORMAL) == []  # no primary tumour
    dataset = open_dataset(out, ["cnv", "clinical"], TASK)
    assert dataset.cases["label"].to_dict() == dict(zip(CASES, ("LumA", "Basal", "LumA"), strict=True))
    assert dataset.cases["site"].tolist() == ["A1", "A1", "BH"]
    assert dataset.cases["site_name"].tolist() == ["Hospital A1", "Hospital A1", "Hospital BH"]
    sources = write_raw_files(dataset, group_sites(dataset, TASK, min_site=1), tmp_path / "sites")
    assert set(sources) == {"A1", "BH"}
    federation = federation_from({"modalities": {"cnv": {"values": "arms"}, "clinical": {}}})
    arms = plugin("cnv").read(sources["A1"]["cnv"], federation.modalities["cnv"])
    assert arms.case_ids == CASES[:2]
    # chromosome 1 of file 1 has .5, of file 2 twice that
    assert arms.values[:, arms.features.index("1q")].tolist() == pytest.approx([0.5, 1.0])
    clinical = plugin("clinical").read(sources["A1"]["clinical"], federation.modalities["clinical"])
    told = pd.DataFrame(clinical.values, clinical.case_ids, clinical.features)
    assert told.filter(like="er=positive").iloc[:, 0].tolist() == [1.0, 0.0]


def test_only_the_cases_of_a_list_are_fetched(tmp_path, files):
    (tmp_path / "cases.txt").write_text(f"{CASES[2]}\n")
    with serving(portal_of(files)) as portal:
        make(portal, tmp_path / "out", cases=cases_in(tmp_path / "cases.txt"))
    assert {file_id for file_id, _, _ in portal.asked} == {files[2].id}
    clinical = (tmp_path / "out" / "clinical" / "data_clinical_patient.txt").read_text()
    assert CASES[2] in clinical
    assert CASES[0] not in clinical
    (tmp_path / "table.csv").write_text(f"case_id,x\n{CASES[1]},1\n{CASES[0]},2\n")
    assert cases_in(tmp_path / "table.csv") == [CASES[0], CASES[1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "c: no column case_id; name it so, or give a case a line"),
        ("case_id\n", "c: no case in it"),
        (None, "c: no such file; correct --cases"),
    ],
)
def test_a_list_without_cases_is_refused(tmp_path, text, words):
    if text is not None:
        (tmp_path / "c").write_text(text)
    with pytest.raises(ProblemsError, match=words):
        cases_in(tmp_path / "c")


def test_a_second_command_adds_to_the_folder(tmp_path, files):
    with serving(portal_of([*files, file_of(7, 11, name="a.svs", type="Slide Image", case_id=CASES[0])])) as portal:
        make(portal, tmp_path, cases=[CASES[0]])
        make(portal, tmp_path, cases=[CASES[1]])
        held = (tmp_path / "clinical" / "data_clinical_patient.txt").read_text()
        assert [case in held for case in CASES] == [True, True, False]
        make(portal, tmp_path, types=["Slide Image"])
    sheet = pd.read_csv(tmp_path / "masked_copy_number_segment" / "gdc_sample_sheet.tsv", sep="\t")
    assert sheet["Case ID"].tolist() == list(CASES[:2])
    assert sheet["Sample ID"].tolist() == [f"{case}-01A" for case in CASES[:2]]
    assert sheet["Tumor Descriptor"].tolist() == ["Primary", "Primary"]
    assert (tmp_path / "slide_image" / id_of(7) / "a.svs").stat().st_size == 11
    listed = pd.read_csv(tmp_path / "labels" / "pam50.csv", keep_default_na=False)
    assert listed["case_id"].tolist() == [*CASES[:2], CASES[2]]  # the last command asked for no cases in particular
    assert listed["site_name"].tolist() == ["Hospital A1", "Hospital A1", ""]  # of the first two alone
    assert plain_in(tmp_path / "dataset.yaml") == {
        "sources": {
            "cnv": ["masked_copy_number_segment"],
            "wsi_image": ["slide_image"],
            "wsi_graph": ["slide_image"],
            "clinical": ["clinical/data_clinical_patient.txt", "clinical/data_clinical_sample.txt"],
        },
        "labels": {"path": "labels/pam50.csv", "label": "pam50"},
    }


def test_a_changed_dataset_yaml_stays(tmp_path, files, capsys):
    (tmp_path / "dataset.yaml").write_text("sources: {}\n")
    with serving(portal_of(files)) as portal:
        make(portal, tmp_path)
    assert (tmp_path / "dataset.yaml").read_text() == "sources: {}\n"
    assert "dataset.yaml: is left as it is; it would be: sources:" in capsys.readouterr().out


def test_the_portals_are_asked_again_where_they_fail_for_a_while(tmp_path, files):
    with serving(portal_of(files)) as portal:
        portal.faults = ["502", "429", "500"]
        make(portal, tmp_path)
    assert len(list(tmp_path.rglob("*.seg.v2.txt"))) == 3


def test_without_the_study_of_labels_the_files_are_fetched_and_the_lack_is_said(tmp_path, files):
    with (
        serving(portal_of(files)) as portal,
        pytest.raises(
            ProblemsError, match="brca_tcga has no values of SUBTYPE; it has AGE, ER_STATUS_BY_IHC, SAMPLE_T"
        ),
    ):
        make(portal, tmp_path, labels=CLINICAL)
    assert len(list(tmp_path.rglob("*.seg.v2.txt"))) == 3


def test_nothing_is_asked_of_a_server_that_would_not_use_tls():
    with pytest.raises(ProblemsError, match=r"--gdc: http://mirror\.example/ would be asked without TLS"):
        checked_address("--gdc", "http://mirror.example/")
    with pytest.raises(ProblemsError, match=r"--gdc: no address, got 'api\.gdc\.cancer\.gov'"):
        checked_address("--gdc", "api.gdc.cancer.gov")
    assert checked_address("--gdc", "https://mirror.example/v0/") == "https://mirror.example/v0"


def test_a_certificate_counts_if_its_authority_is_named_and_not_otherwise(tmp_path, files, monkeypatch):
    tls = Tls(tmp_path / "tls")
    now = datetime.datetime.now(datetime.UTC)
    make_authority(tls, "mirror", now)
    issue_server_certificate(tls, ["localhost"], now)
    with serving(portal_of(files), (str(tls.certificate), str(tls.key))) as portal:
        with pytest.raises(ProblemsError, match="/files: its certificate is not trusted"):
            make(portal, tmp_path / "out")
        assert not portal.asked
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
        make(portal, tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("*.seg.v2.txt"))) == 3


def test_a_disk_without_room_is_said_before_anything_is_fetched(tmp_path, files, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 99)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with (
        serving(portal_of(files)) as portal,
        pytest.raises(ProblemsError, match=r"GB are still to come, and 0\.0 GB are free; make room"),
    ):
        make(portal, tmp_path)
    assert not portal.asked


def test_a_dry_run_writes_nothing(tmp_path, files, capsys):
    with serving(portal_of(files)) as portal:
        make(portal, tmp_path / "out", dry_run=True)
    assert "3 files, 0.00 GB; 3 of them" in capsys.readouterr().out
    assert not portal.asked
    assert [path.name for path in (tmp_path / "out").rglob("*")] == [".download.lock"]


def test_a_server_that_does_not_answer_is_named(tmp_path):
    with serving(portal_of([])) as portal:
        pass
    with pytest.raises(ProblemsError, match=rf"{portal.address}/files: the connection failed \(ConnectError\); try"):
        make(portal, tmp_path)


def test_an_answer_of_something_else_is_refused(tmp_path, files, monkeypatch):
    whole = File.hit
    monkeypatch.setattr(File, "hit", lambda file: {**whole(file), "file_size": "large"})
    with (
        serving(portal_of(files)) as portal,
        pytest.raises(ProblemsError, match="/files: the answer is not one of the GDC; correct --gdc"),
    ):
        make(portal, tmp_path)


def test_a_label_goes_without_the_cancer_before_it_and_is_of_a_primary_tumour():
    rows = {
        ("p1", "TCGA-AA-0001-01"): {"SUBTYPE": "COAD_CIN"},
        ("p2", "TCGA-AA-0002-01"): {"SUBTYPE": "READ_MSI_H"},
        ("p3", "TCGA-AA-0003-06"): {"SUBTYPE": "COAD_CIN"},
        ("p4", "TCGA-AA-0004-01"): {"SUBTYPE": "CN_HIGH"},
        ("p5", "TCGA-AA-0005-01"): {"SUBTYPE": "COAD_"},
        ("p6", "TCGA-AA-0006-01"): {"AGE": "61"},
    }
    labels = labels_of("coadread_tcga_pan_can_atlas_2018", [Clinical("SAMPLE", [], rows)])
    assert labels == {"p1": "CIN", "p2": "MSI_H", "p4": "CN_HIGH", "p5": "COAD_"}


def test_studies_are_named_after_their_project():
    assert study_of("TCGA-BRCA", "_pan_can_atlas_2018") == LABELS
    assert study_of("TCGA-READ", "") == "coadread_tcga"


def test_the_environments_proxy_is_used(tmp_path, files, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with (
        serving(portal_of(files)) as portal,
        pytest.raises(ProblemsError, match="the connection failed"),
    ):
        make(portal, tmp_path, FAST)
    assert not portal.asked
