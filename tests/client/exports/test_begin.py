"""`init --from`: what a hospital's exports hold becomes site.yaml and a case list; the exports stay as they are."""

import pytest
import yaml
from typer.testing import CliRunner

from client.cli import app
from modalities.core.settings.site import read_site_config

CLINIC = "Fallnummer;Aufnahme;Grad;Subtyp\nP07;03.04.2021;2;Luminal A\nP03;05.06.2020;1;Basal\nP11;01.02.2019;2;\n"
PATHOLOGY = "Laufnr\tN° dossier\tRE\n1\tP03\tpositif\n2\tP11\tnégatif\n"
SEGMENTS = "ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\nP03\t1\t10001\t50000\t9\t0.1\nP07\t1\t9\t50000\t9\t0.2\n"


@pytest.fixture
def exports(tmp_path):
    folder = tmp_path / "exports"
    (folder / "slides").mkdir(parents=True)
    (folder / "Klinik 2024.csv").write_bytes(CLINIC.encode("cp1252"))
    (folder / "anapath.txt").write_bytes(PATHOLOGY.encode("utf-16"))
    (folder / "cohort.seg").write_text(SEGMENTS)
    (folder / "slides" / "P03.svs").write_bytes(b"not looked into")
    (folder / "slides" / "P11.svs").write_bytes(b"not looked into")
    (folder / "letter.docx").write_bytes(b"PK")
    (folder / ".hidden.csv").write_text("a,b\n1,2\n")
    return folder


def begin(site, *arguments):
    return CliRunner().invoke(app, ["init", str(site), "--name", "st_anna", *map(str, arguments)])


def test_every_modality_that_the_exports_hold_is_a_source(tmp_path, exports):
    before = {path: path.read_bytes() for path in exports.rglob("*.*")}
    site = tmp_path / "sites" / "st_anna"
    done = begin(site, "--from", exports)
    assert done.exit_code == 0, done.output
    sources = yaml.safe_load((site / "site.yaml").read_text())["sources"]
    assert sources == {
        "clinical": {
            "paths": ["../../exports/Klinik 2024.csv", "../../exports/anapath.txt"],
            "columns": {"case_id": "Fallnummer"},
            "case_ids": ["N° dossier"],
        },
        "cnv": {"paths": ["../../exports/cohort.seg"]},
        "wsi_graph": {"paths": ["../../exports/slides"]},
        "wsi_image": {"paths": ["../../exports/slides"]},
    }
    assert read_site_config(site / "site.yaml").policy.require_masking
    assert {path: path.read_bytes() for path in exports.rglob("*.*")} == before


def test_the_case_list_has_each_case_once_and_the_labels_of_the_named_column(tmp_path, exports):
    done = begin(tmp_path / "site", "--from", exports / "anapath.txt", "--from", exports, "--label", "Subtyp")
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "site" / "cases.csv").read_text().splitlines()
    assert lines == ["case_id,label,split", "P03,Basal,", "P11,,", "P07,Luminal A,"]


def test_a_share_of_every_label_is_kept_for_testing_and_it_is_the_same_each_time(tmp_path):
    rows = [f"P{number:02},{'AB'[number % 3 == 0]},{number % 7}" for number in range(30)]
    (tmp_path / "own.csv").write_text("id,type,x\n" + "\n".join(rows) + "\n")
    lists = []
    for name in ("one", "two"):
        done = begin(tmp_path / name, "--from", tmp_path / "own.csv", "--label", "type", "--test-share", 0.2)
        assert done.exit_code == 0, done.output
        lists.append((tmp_path / name / "cases.csv").read_text())
    assert lists[0] == lists[1]
    split = [tuple(line.split(",")[1:]) for line in lists[0].splitlines()[1:]]
    assert {what: split.count(what) for what in set(split)} == {
        ("A", "test"): 4, ("A", "train"): 16, ("B", "test"): 2, ("B", "train"): 8,
    }  # fmt: skip


def test_what_no_modality_reads_is_named_and_columns_that_may_be_the_label_are_shown(tmp_path, exports):
    said = " ".join(begin(tmp_path / "site", "--from", exports).output.split())
    assert "1 files that no modality reads: letter.docx" in said
    assert ".hidden.csv" not in said
    assert "'Subtyp' (Basal, Luminal A)" in said
    assert "'Aufnahme'" not in said


def test_the_studys_own_names_of_modalities_and_label_are_used_where_its_settings_lie_there(tmp_path, exports):
    site = tmp_path / "site"
    site.mkdir()
    settings = {"task": {"label": "subtype"}, "modalities": {"arms": {"kind": "cnv", "values": "arms"}}}
    (site / "federation.yaml").write_text(yaml.safe_dump(settings))
    done = begin(site, "--from", exports)
    assert done.exit_code == 0, done.output
    assert list(read_site_config(site / "site.yaml").sources) == ["arms"]
    assert (site / "cases.csv").read_text() == "case_id,subtype,split\n"


@pytest.mark.parametrize("there", ["site.yaml", "cases.csv"])
def test_a_site_folder_that_has_begun_is_left_alone(tmp_path, exports, there):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / there).write_text("name: st_anna\n")
    done = begin(tmp_path / "site", "--from", exports)
    assert done.exit_code == 1
    assert f"{there} is there already; --from begins a new site folder" in " ".join(done.output.split())
    assert [path.name for path in (tmp_path / "site").iterdir()] == [there]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--from", "nowhere"], "no such file or folder: nowhere; correct what follows --from"),
        (["--test-share", "nan"], "--test-share nan; a share from 0 to 0.9"),
        (["--label", "Typ"], "column 'Typ' of labels: no table that lists cases has it"),
    ],
)
def test_a_path_or_a_column_that_is_not_there_ends_it_before_anything_is_written(tmp_path, exports, wrong, message):
    done = begin(tmp_path / "site", "--from", exports, *wrong)
    assert done.exit_code == 1
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "site").exists()


def test_where_no_table_has_to_be_mapped_the_cases_are_those_that_the_readers_find(tmp_path, exports):
    study = tmp_path / "study"
    study.mkdir()
    (study / "data_cna.txt").write_text("Hugo_Symbol\tEntrez_Gene_Id\tP07\tP03\nTP53\t7157\t-1\t0\nMYC\t4609\t2\t1\n")
    done = begin(tmp_path / "site", "--from", study)
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "site" / "cases.csv").read_text().splitlines()
    assert lines == ["case_id,label,split", "P07,,", "P03,,"]
