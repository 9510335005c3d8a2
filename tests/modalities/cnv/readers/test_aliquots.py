"""Whose file is whose: manifests, the GDC's sample sheets of either generation, and barcodes in names."""

from pathlib import Path

import pytest

from modalities.cnv.readers.aliquots import registers_in, tumours_of

OLD = "File ID\tFile Name\tData Category\tData Type\tProject ID\tCase ID\tSample ID\tSample Type"
NEW = "File ID\tFile Name\tData Category\tData Type\tProject ID\tCase ID\tSample ID\tTissue Type\tTumor Descriptor"
KIND = ("Copy Number Variation", "Masked Copy Number Segment", "P")


def sheet(folder, header, *rows):
    lines = ["\t".join(["id", name, *KIND, *rest]) for name, *rest in rows]
    (folder / "gdc_sample_sheet.2024-05-01.tsv").write_text("\n".join([header, *lines]) + "\n")


def owners(folder, *names, **columns):
    kept, notes = tumours_of(folder, [folder / name for name in names], columns)
    return {path.name: case_id for path, case_id in kept.items()}, {name: n for name, n in notes.items() if n}


def test_a_barcode_anywhere_in_the_name_tells_the_case_and_the_kind_of_sample(tmp_path):
    names = ("TCGA-AA-0001-01A-11D-A1.seg.txt", "x_TCGA-AA-0002-01.seg.txt", "TCGA-AA-0003-06A.seg.txt")
    assert owners(tmp_path, *names) == (
        {names[0]: "TCGA-AA-0001", names[1]: "TCGA-AA-0002"},
        {"aliquots refused, no primary tumour: metastasis": 1},
    )


@pytest.mark.parametrize("header", [OLD, NEW])
def test_sample_sheet_of_either_generation_tells_tumours_by_name_where_ids_are_no_barcodes(tmp_path, header):
    tumour, normal, other = (
        (["Primary Tumor"], ["Blood Derived Normal"], ["Metastatic"])
        if header == OLD
        else (["Tumor", "Primary"], ["Normal", "Not Applicable"], ["Tumor", "Metastatic"])
    )
    sheet(tmp_path, header, ["a", "C-1", "S-1", *tumour], ["b", "C-1", "S-2", *normal], ["c", "C-3", "S-3", *other])
    assert owners(tmp_path, "a", "b", "c") == (
        {"a": "C-1"},
        {"aliquots refused, no primary tumour: other tissue": 2},
    )


def test_a_file_made_from_tumour_and_normal_is_the_tumours(tmp_path):
    case, samples = "TCGA-AA-0001, TCGA-AA-0001", "TCGA-AA-0001-10A, TCGA-AA-0001-01A"
    sheet(tmp_path, OLD, ["a", case, samples, "Blood Derived Normal, Primary Tumor"])
    assert owners(tmp_path, "a") == ({"a": "TCGA-AA-0001"}, {})


def test_the_sites_own_manifest_counts_more_than_a_sheet_and_a_name(tmp_path):
    sheet(tmp_path, OLD, ["TCGA-AA-0001-01A.txt", "C-1", "S-1", "Primary Tumor"])
    (tmp_path / "mine.csv").write_text("patient,datei\np7,TCGA-AA-0001-01A.txt\n")
    (tmp_path / "other.csv").write_text("case_id;nothing\n1;2\n")  # no manifest, and none of our business
    found, _ = owners(tmp_path, "TCGA-AA-0001-01A.txt", file="datei", case_id="patient")
    assert found == {"TCGA-AA-0001-01A.txt": "p7"}
    assert owners(tmp_path, "TCGA-AA-0001-01A.txt")[0] == {"TCGA-AA-0001-01A.txt": "C-1"}


def test_a_manifest_with_quotes_is_one_and_rows_without_their_file_are_counted(tmp_path):
    (tmp_path / "m.csv").write_text('"file","case_id"\n"a","p1"\n"b","p2"\n')
    assert owners(tmp_path, "b") == (
        {"b": "p2"},
        {"files that a manifest or sample sheet lists and that are not there": 1},
    )


def test_files_of_nobody_are_named_with_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"2 files are nobody's: a\.txt, b\.txt; put the GDC's gdc_sample_sheet"):
        owners(tmp_path, "a.txt", "TCGA-AA-0001-01A.txt", "b.txt")


def test_a_case_with_two_tumours_must_choose(tmp_path):
    with pytest.raises(ValueError, match="cases listed more than once: TCGA-AA-0001; keep one tumour aliquot a case"):
        owners(tmp_path, "TCGA-AA-0001-01A.txt", "TCGA-AA-0001-01B.txt")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.csv", "file,case_id\na,\n", "m.csv: no case in line 2"),
        ("m.csv", "file,case_id\na,p1\na,p2\n", "m.csv: files listed more than once: a"),
        ("gdc_sample_sheet.1.tsv", "File Name\tCase ID\na\tC\n", "no column Sample ID; load it again"),
        ("gdc_sample_sheet.1.tsv", "File Name\tCase ID\tSample ID\na\tC\tS\n", "no column Sample Type or Tissue Type"),
    ],
)
def test_unusable_register_is_refused(tmp_path: Path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=said):
        registers_in(tmp_path, {})
