"""cBioPortal copy-number matrices: what is read, and what is refused with place and remedy."""

import gzip

import numpy as np
import pytest

from modalities.cnv import Config
from modalities.cnv.reading import read
from modalities.core.contract import Source
from modalities.core.files.remarks import remarked

CALLS = """Hugo_Symbol\tEntrez_Gene_Id\tTCGA-BH-A0B3-01\tTCGA-BH-A0B3-11\tTCGA-AR-A24X-01\tpatient-7
MYC\t4609\t2\t0\t-1\t0
TP53\t\t-2\t0\tNA\t1
ERBB2\t2064\t0\t0\t1\t
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "data_cna.txt"
    file.write_text(CALLS)
    return file


def read_text(path, text, **settings):
    path.write_text(text)
    return read(Source((path,)), Config(**settings))


def test_a_column_is_a_case_a_row_a_gene_and_normal_tissue_is_left_out_and_counted(path):
    cases = read(Source((path,)), Config())
    assert cases.case_ids == ("TCGA-BH-A0B3", "TCGA-AR-A24X", "patient-7")
    assert cases.features == ("MYC", "TP53", "ERBB2")
    np.testing.assert_array_equal(cases.values, [[2, -2, 0], [-1, np.nan, 1], [0, 1, np.nan]])
    assert cases.values.dtype == np.float32
    assert cases.notes["samples that are no primary tumour"] == 1


def test_a_folder_stands_for_the_file_of_the_values_asked_for(path):
    (path.parent / "data_log2_cna.txt").write_text("Hugo_Symbol\tpatient-7\nMYC\t0.731\n")
    folder = Source((path.parent,))
    assert read(folder, Config()).values.shape == (3, 3)
    assert read(folder, Config(values="log2")).values.tolist() == [[pytest.approx(0.731)]]


def test_gzip_and_a_single_entrez_column_are_read(tmp_path):
    file = tmp_path / "cna.txt.gz"
    file.write_bytes(gzip.compress(b"Entrez_Gene_Id\tp1\tp2\n4609\t-1\t2\n"))
    cases = read(Source((file,)), Config())
    assert cases.features == ("4609",)
    assert cases.values.tolist() == [[-1], [2]]


def test_entrez_id_names_a_gene_without_symbol(path):
    cases = read_text(path, "Hugo_Symbol\tEntrez_Gene_Id\tp1\nMYC\t4609\t1\n\t7157\t0\n")
    assert cases.features == ("MYC", "7157")


def test_first_row_of_a_gene_that_stands_twice_counts_and_the_others_are_counted(path):
    cases = read_text(path, "Hugo_Symbol\tp1\nMYC\t1\nTP53\t0\nMYC\t-2\nMYC\t-1\n")
    assert cases.features == ("MYC", "TP53")
    assert cases.values.tolist() == [[1, 0]]
    assert cases.notes["genes listed twice"] == 2


def test_agreed_genes_come_in_their_order_and_a_gene_the_site_lacks_is_missing_and_counted(path):
    cases = read(Source((path,)), Config(features=["ERBB2", "PTEN", "MYC"]))
    assert cases.features == ("ERBB2", "PTEN", "MYC")
    np.testing.assert_array_equal(cases.values[0], [0, np.nan, 2])
    assert cases.notes["genes imputed"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hugo_Symbol\tp1\n", "a header and no gene; export the file again"),
        (
            "gene\tp1\nMYC\t1\n",
            r"its columns are 'gene', 'p1'; a matrix begins with Hugo_Symbol or Entrez_Gene_Id \(cbioportal\), ",
        ),
        ("p1\tHugo_Symbol\n1\tMYC\n", "its columns are 'p1', 'Hugo_Symbol'; a matrix begins with Hugo_Symbol"),
        ("Hugo_Symbol\tp1\tEntrez_Gene_Id\nMYC\t1\t4609\n", "Entrez_Gene_Id stands among the samples; move it"),
        ("Hugo_Symbol^p1\nMYC^1\n", "only one column: line 1 has no tab, comma"),
        ("Hugo_Symbol\tp1\tp2\nMYC\t1\t0\nTP53\t1\n", "header has 3 fields, but line 3 has 2; the file is cut off"),
        ("Hugo_Symbol\tp1\nMYC\t1\n\t0\n", "no gene name in line 3; fill Hugo_Symbol"),
        ("Hugo_Symbol\tp1\nMYC\t1\nMYC\tx\n", "line 3, column 'p1': 'x'"),
        ("Hugo_Symbol\tTCGA-BH-A0B3-11\nMYC\t1\n", "no sample of a primary tumour in the header"),
        ("Hugo_Symbol\tp1\t\nMYC\t1\t0\n", "no sample named at the head of column 3"),
        (
            "Hugo_Symbol\tTCGA-BH-A0B3-01A\tTCGA-BH-A0B3-01B\nMYC\t1\t0\n",
            "cases listed more than once: TCGA-BH-A0B3; keep one tumour sample a case",
        ),
        ("Hugo_Symbol\tp1\tp1\nMYC\t1\t0\n", "columns listed more than once: p1"),
        (
            "Hugo_Symbol\tp1\nMYC\t0.31\nTP53\t3\n",
            r"2 values are no GISTIC call .*MYC of p1 = 0.31, TP53 of p1 = 3.*set",
        ),
    ],
)
def test_unusable_matrix_is_refused_with_place_and_remedy(path, text, said):
    with pytest.raises(ValueError, match=f"^data_cna.txt: .*{said}"):
        read_text(path, text)


def test_log2_ratios_are_not_held_to_calls(path):
    assert read_text(path, "Hugo_Symbol\tp1\nMYC\t-3.17\n", values="log2").values[0, 0] == pytest.approx(-3.17)


def test_calls_are_no_log2_ratios(path):
    with pytest.raises(ValueError, match=r"data_cna\.txt: every value is a call .*set modalities\.cnv\.values: calls"):
        read(Source((path,)), Config(values="log2"))
    with pytest.raises(ValueError, match=r"every value is a call .*set modalities\.cnv\.arms_from: calls"):
        read(Source((path,)), Config(values="arms"))


def test_more_than_one_path_or_another_format_is_refused(path):
    with pytest.raises(ValueError, match=r"cnv takes one file or folder, got 2; name one in site\.yaml"):
        read(Source((path, path)), Config())
    with pytest.raises(
        ValueError,
        match=r"sources\.cnv\.format: no format 'bed'; known: auto, cbioportal, xena, gdc_genes, gdc_seg",
    ):
        read(Source((path,), format="bed"), Config())


def test_folder_without_copy_number_names_what_it_holds(tmp_path):
    with pytest.raises(ValueError, match=r"no copy number of log2 in this folder; it is empty; a matrix begins with"):
        read(Source((tmp_path,)), Config(values="log2"))
    (tmp_path / "kohorte.seg").write_text("probe\tcontig\nP1\t1\n")
    (tmp_path / "lies mich.pdf").write_bytes(b"%PDF-1.4")
    with pytest.raises(ValueError, match=r"it holds kohorte\.seg \(probe, contig\), lies mich\.pdf \(.*\); a mat"):
        read(Source((tmp_path,)), Config(values="log2"))


@pytest.mark.parametrize(("values", "shape"), [("calls", (718, 1333)), ("log2", (650, 515))])
def test_real_tcga_matrices_are_read_whole(tcga_data, values, shape):
    cases = read(Source((tcga_data / "tcga-brca" / "cnv",)), Config(values=values))
    assert cases.values.shape == shape
    assert all(case_id.startswith("TCGA-") and len(case_id) == 12 for case_id in cases.case_ids)
    assert cases.notes["genes listed twice"] == 0


def test_genes_that_a_spreadsheet_made_dates_of_are_told(path):
    with remarked() as heard:
        cases = read_text(path, "Hugo_Symbol\tp1\n1-Mar\t1\nSep-02\t0\nHLA-DRA\t0\nMYC\t1\n4609\t1\n")
    assert len(cases.features) == 5
    assert [told.what.partition(",")[0] for told in heard] == ["2 genes have become dates (1-Mar"]
    with remarked() as heard:
        read_text(path, CALLS)
    assert not heard


SAMPLES = "#P\tS\tT\n#P\tS\tT\n#STRING\tSTRING\tSTRING\n#1\t1\t1\nPATIENT_ID\tSAMPLE_ID\tSAMPLE_TYPE\n"


@pytest.mark.parametrize("is_folder", [True, False])
def test_the_studys_list_says_whose_each_sample_is_and_which_are_no_primary_tumours(path, is_folder):
    path.write_text("Hugo_Symbol\tP1-T1\tP2-T1\tP2-T2\tpatient-7\nMYC\t1\t2\t-1\t0\n")
    listed = "P1\tP1-T1\tPrimary\nP2\tP2-T1\tLymph node metastasis\nP2\tP2-T2\tPrimary\n"
    (path.parent / "data_clinical_sample.txt").write_text(SAMPLES + listed)
    cases = read(Source((path.parent if is_folder else path,)), Config())
    assert dict(zip(cases.case_ids, cases.values[:, 0].tolist(), strict=True)) == {"P1": 1, "P2": -1, "patient-7": 0}
    assert {note: n for note, n in cases.notes.items() if n} == {"samples that are no primary tumour": 1}


def test_of_several_primary_samples_the_sites_own_list_chooses(path):
    path.write_text("Hugo_Symbol\tP1-T1\tP1-T2\tP2-T1\nMYC\t1\t2\t-1\n")
    (path.parent / "data_clinical_sample.txt").write_text(SAMPLES + "P1\tP1-T1\t\nP1\tP1-T2\t\nP2\tP2-T1\t\n")
    with pytest.raises(ValueError, match=r"cases listed more than once: P1; keep one .* CSV with the columns sample"):
        read(Source((path.parent,)), Config())
    (path.parent / "samples.csv").write_text("sample,case_id\nP1-T2,P1\n")
    cases = read(Source((path.parent,)), Config())
    assert (cases.case_ids, cases.values.tolist()) == (("P1",), [[2]])
    assert cases.notes["samples that the list of samples does not name"] == 2


def test_other_tables_by_gene_of_a_study_are_no_copy_number(tmp_path):
    for name in ("data_mrna_seq_v2_rsem.txt", "data_methylation_hm450.txt"):
        (tmp_path / name).write_text("Hugo_Symbol\tp1\nMYC\t0.4\n")
    with pytest.raises(ValueError, match=r"no copy number of log2 in this folder; it holds data_methylation_hm450.txt"):
        read(Source((tmp_path,)), Config(values="log2"))
    (tmp_path / "data_log2_cna.txt").write_text("Hugo_Symbol\tp1\nMYC\t0.7\n")
    assert read(Source((tmp_path,)), Config(values="log2")).values.tolist() == [[pytest.approx(0.7)]]
