"""UCSC Xena's GISTIC2 matrices, written here as the hub's files are."""

import gzip

import numpy as np
import pytest

from modalities.cnv import Config
from modalities.cnv.reading import read
from modalities.core.contract import Source

THRESHOLDED = "Gistic2_CopyNumber_Gistic2_all_thresholded.by_genes"
CONTINUOUS = "Gistic2_CopyNumber_Gistic2_all_data_by_genes"
CALLS = "Gene Symbol\tTCGA-BH-A0B3-01\tTCGA-BH-A0B3-11\tTCGA-AR-A24X-01\nMYC\t2\t0\t1\nTP53\t-1\t0\t\n"
RATIOS = "sample\tTCGA-AR-A24X-01\nMYC\t0.613\nUBE3A|chr15\t-0.25\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / THRESHOLDED).write_text(CALLS)
    (tmp_path / f"{CONTINUOUS}.gz").write_bytes(gzip.compress(RATIOS.encode()))
    return Source((tmp_path,))


def test_thresholded_matrix_of_a_folder_gives_calls_of_the_primary_tumours(folder):
    cases = read(folder, Config())
    assert (cases.case_ids, cases.features) == (("TCGA-BH-A0B3", "TCGA-AR-A24X"), ("MYC", "TP53"))
    np.testing.assert_array_equal(cases.values, [[2, -1], [1, np.nan]])
    assert cases.notes == {"samples that are no primary tumour": 1, "genes listed twice": 0}


def test_continuous_matrix_packed_or_not_gives_log2_ratios(folder):
    cases = read(folder, Config(values="log2"))
    assert cases.features == ("MYC", "UBE3A|chr15")
    assert cases.values.tolist() == [[pytest.approx(0.613), pytest.approx(-0.25)]]


def test_arms_of_it_know_the_genes_that_gistic_marks_with_their_chromosome(folder):
    cases = read(folder, Config(values="arms", features=["8q", "15q", "1p"]))
    np.testing.assert_allclose(cases.values, [[0.613, -0.25, np.nan]], rtol=1e-6)


def test_columns_of_firehose_beside_the_name_are_no_samples(tmp_path):
    path = tmp_path / "all_thresholded.by_genes.txt"
    path.write_text("Gene Symbol\tLocus ID\tCytoband\tTCGA-BH-A0B3-01A-11D-A111-01\nMYC\t4609\t8q24.21\t1\n")
    cases = read(Source((tmp_path,)), Config())
    assert (cases.case_ids, cases.features, cases.values.tolist()) == (("TCGA-BH-A0B3",), ("MYC",), [[1]])


def test_a_file_of_another_format_is_refused_where_xena_is_named(tmp_path):
    path = tmp_path / "data_cna.txt"
    path.write_text("Hugo_Symbol\tp1\nMYC\t1\n")
    with pytest.raises(
        ValueError, match=r"data_cna\.txt: the first column must be Gene Symbol or sample, got 'Hugo_Sym"
    ):
        read(Source((path,), format="xena"), Config())


def test_two_matrices_of_one_kind_compete_and_are_named(folder):
    (folder.paths[0] / "data_cna.txt").write_text("Hugo_Symbol\tp1\nMYC\t1\n")
    with pytest.raises(ValueError, match=r"2 matrices of calls \(data_cna\.txt, Gistic2_.*\); name one file in site"):
        read(folder, Config())
    assert read(Source(folder.paths, format="cbioportal"), Config()).case_ids == ("p1",)
