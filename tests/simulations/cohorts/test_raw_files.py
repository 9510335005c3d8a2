"""Dealing raw files out to sites."""

import gzip

import pandas as pd
import pytest

from simulations.cohorts.raw_files import deal
from tests.modalities.core.files.tables.workbooks import write_book

SITE_OF = {"TCGA-AA-0001": "north", "TCGA-AA-0002": "south", "TCGA-AA-0003": "north", "p7": "south"}


@pytest.fixture
def folders(tmp_path):
    return {site: tmp_path / site / "raw" for site in ("north", "south", "west")}


def dealt(path, folders):
    return {site: copy.read_text().splitlines() for site, copy in deal(path, SITE_OF, folders).items()}


def test_a_table_goes_row_by_row_and_its_header_to_every_site(tmp_path, folders):
    path = tmp_path / "hif.csv"
    path.write_text('case_id,area,note\nTCGA-AA-0001,1.5,a\np7,,"b, c"\nTCGA-AA-0003,2,\nTCGA-AA-0002,3,d\n')
    assert dealt(path, folders) == {
        "north": ["case_id,area,note", "TCGA-AA-0001,1.5,a", "TCGA-AA-0003,2,"],
        "south": ["case_id,area,note", 'p7,,"b, c"', "TCGA-AA-0002,3,d"],
    }
    assert not folders["west"].exists()


def test_what_a_spreadsheet_program_saved_is_dealt_as_plain_csv(tmp_path, folders):
    write_book(tmp_path / "hif.xlsx", [["case_id", "area"], ["TCGA-AA-0001", 1.5], ["p7", "0,5"]])
    (tmp_path / "hif.csv").write_bytes("case_id;Fläche\r\nTCGA-AA-0001;1,5\r\np7;0,5\r\n".encode("cp1252"))
    for name, column in (("hif.xlsx", "area"), ("hif.csv", "Fläche")):
        copies = deal(tmp_path / name, SITE_OF, folders)
        assert {copy.name for copy in copies.values()} == {"hif.csv"}
        assert copies["north"].read_text("utf-8") == f"case_id,{column}\nTCGA-AA-0001,1.5\n"
        assert copies["south"].read_text("utf-8") == f"case_id,{column}\np7,0.5\n"


def test_a_case_of_no_site_goes_to_nobody_not_even_as_the_first_row(tmp_path, folders):
    path = tmp_path / "hif.tsv"
    path.write_text("id\tarea\nTCGA-ZZ-9999-01\t9\nTCGA-AA-0002-01\t3\nTCGA-ZZ-9998-01\t9\n")
    assert dealt(path, folders) == {"south": ["id\tarea", "TCGA-AA-0002-01\t3"]}


def test_every_header_row_of_a_biotab_goes_to_every_site(tmp_path, folders):
    path = tmp_path / "biotab.txt"
    path.write_text(
        "uuid\tbarcode\tage\nuuid\tpatient.barcode\tage_at\nCDE_ID:\tCDE_ID:2673794\tCDE_ID:7\n"
        "x1\tTCGA-AA-0002\t51\nx2\tTCGA-AA-0001\t62\n"
    )
    header = path.read_text().splitlines()[:3]
    assert dealt(path, folders) == {
        "south": [*header, "x1\tTCGA-AA-0002\t51"],
        "north": [*header, "x2\tTCGA-AA-0001\t62"],
    }


def test_samples_of_one_case_stay_together(tmp_path, folders):
    path = tmp_path / "xena.tsv"
    path.write_text("sampleID\tx\nTCGA-AA-0001-01\t1\nTCGA-AA-0001-11\t2\nTCGA-AA-0002-06\t3\n")
    assert dealt(path, folders)["north"] == ["sampleID\tx", "TCGA-AA-0001-01\t1", "TCGA-AA-0001-11\t2"]


def test_a_matrix_goes_column_by_column_and_the_gene_names_to_every_site(tmp_path, folders):
    path = tmp_path / "data_cna.txt"
    path.write_text(
        "Hugo_Symbol\tEntrez_Gene_Id\tTCGA-ZZ-9999-01\tTCGA-AA-0003-01\tp7\tTCGA-AA-0001-01\n"
        "MYC\t4609\t9\t1\t2\t0\nTP53\t\t9\t-1\tNA\t-2\n"
    )
    assert dealt(path, folders) == {
        "north": [
            "Hugo_Symbol\tEntrez_Gene_Id\tTCGA-AA-0003-01\tTCGA-AA-0001-01",
            "MYC\t4609\t1\t0",
            "TP53\t\t-1\t-2",
        ],
        "south": ["Hugo_Symbol\tEntrez_Gene_Id\tp7", "MYC\t4609\t2", "TP53\t\tNA"],
    }


def test_gzip_stays_gzip_and_repeats_byte_for_byte(tmp_path, folders):
    path = tmp_path / "hif.csv.gz"
    path.write_bytes(gzip.compress(b"case_id,area\nTCGA-AA-0001,1\n"))
    (copy,) = deal(path, SITE_OF, folders).values()
    before = copy.read_bytes()
    assert gzip.decompress(before) == b"case_id,area\nTCGA-AA-0001,1\n"
    deal(path, SITE_OF, folders)
    assert copy.read_bytes() == before


@pytest.mark.parametrize("as_index", [False, True])
def test_parquet_keeps_its_types_wherever_the_ids_stand(tmp_path, folders, as_index):
    path = tmp_path / "hif.parquet"
    frame = pd.DataFrame(
        {"area": [1.5, None, 2.0], "grade": ["G1", "G2", None], "id": ["TCGA-AA-0001", "p7", "TCGA-AA-0003"]}
    )
    (frame.set_index("id") if as_index else frame).to_parquet(path)
    copies = {site: pd.read_parquet(copy) for site, copy in deal(path, SITE_OF, folders).items()}
    north = copies["north"].reset_index() if as_index else copies["north"]
    assert north["id"].tolist() == ["TCGA-AA-0001", "TCGA-AA-0003"]
    assert north["area"].tolist() == [1.5, 2.0]
    assert north["grade"].tolist()[0] == "G1"
    assert list(copies) == ["north", "south"]


@pytest.mark.parametrize("name", ["other.csv", "other.parquet"])
def test_a_file_of_another_cohort_is_refused(tmp_path, folders, name):
    frame = pd.DataFrame({"case_id": ["TCGA-ZZ-0001", "q"], "area": [1, 2]})
    (frame.to_parquet if name.endswith("parquet") else lambda path: frame.to_csv(path, index=False))(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: none of the study's cases in it; is it a table of the same cohort"):
        deal(tmp_path / name, SITE_OF, folders)


def segments_folder(root):
    """Files named by barcode, and one that only the sample sheet knows, as the GDC's client lays them."""
    folder = root / "segments"
    for name, where in (
        ("TCGA-AA-0001-01A", "u1"),
        ("TCGA-AA-0001-10A", "u2"),
        ("TCGA-ZZ-9999-01A", "u3"),
        ("x", "u4"),
    ):
        (folder / where / "logs").mkdir(parents=True)
        (folder / where / f"{name}.seg.v2.txt").write_text(f"GDC_Aliquot\tChromosome\n{name}\t1\n")
        (folder / where / "logs" / "x.parcel").write_text("")
    (folder / "gdc_sample_sheet.1.tsv").write_text(
        "File Name\tCase ID\tSample ID\tSample Type\nx.seg.v2.txt\tp7\ts\tPrimary Tumor\ny.txt\tq\ts\tPrimary Tumor\n"
    )
    return folder


def test_files_of_one_aliquot_go_to_the_site_of_their_case_with_their_row_of_the_sample_sheet(tmp_path, folders):
    written = deal(segments_folder(tmp_path), SITE_OF, folders)
    assert written == {site: folders[site] / "segments" for site in ("north", "south")}
    files = {site: sorted(path.name for path in folder.rglob("*.txt")) for site, folder in written.items()}
    assert files == {
        "north": ["TCGA-AA-0001-01A.seg.v2.txt", "TCGA-AA-0001-10A.seg.v2.txt"],
        "south": ["x.seg.v2.txt"],
    }
    sheets = {site: (folder / "gdc_sample_sheet.1.tsv").read_text().splitlines() for site, folder in written.items()}
    assert len(sheets["north"]) == 1
    assert sheets["south"][1:] == ["x.seg.v2.txt\tp7\ts\tPrimary Tumor"]


def test_a_folder_of_another_cohort_is_refused(tmp_path, folders):
    with pytest.raises(ValueError, match="segments: none of the study's cases in it"):
        deal(segments_folder(tmp_path), {"somebody": "north"}, folders)
