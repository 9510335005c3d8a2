"""GDC gene-level copy number, written here after its description: a file an aliquot, whole copies of each gene."""

import gzip

import numpy as np
import pytest

from modalities.cnv import ARMS, Config
from modalities.cnv.reading import read
from modalities.core.contract import Source

HEADER = "gene_id\tgene_name\tchromosome\tstart\tend\tcopy_number\tmin_copy_number\tmax_copy_number"
GENES = (
    ("ENSG01.1", "DDX11L1", "chr1", 11869, 14409),
    ("ENSG02.1", "TTTY", "chr1", 248_000_000, 248_000_900),
    ("ENSG03.1", "MYC", "chr8", 127_735_434, 127_742_951),
    ("ENSG04.1", "TP53", "chr17", 7_661_779, 7_687_538),
    ("ENSG05.1", "Y_RNA", "chr2", 9_615_267, 9_615_373),
    ("ENSG06.1", "Y_RNA", "chr9", 133_302_470, 133_302_563),
    ("ENSG07.1", "XIST", "chrX", 73_820_651, 73_852_753),
)
FIRST, SECOND = "TCGA-AA-0001-01A.gene_level_copy_number.v36.tsv", "TCGA-AA-0002-01A.gene_level_copy_number.v36.tsv.gz"


def text(copies, genes=GENES):
    rows = ["\t".join(map(str, (*gene, n, n, n))) for gene, n in zip(genes, copies, strict=True)]
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.fixture
def folder(tmp_path):
    """A diploid tumour, and one of a doubled genome whose sex chromosome is not."""
    (tmp_path / FIRST).write_text(text([2, 1, 5, 0, 2, 2, ""]))
    nested = tmp_path / "0b5f-77"
    nested.mkdir()
    (nested / SECOND).write_bytes(gzip.compress(text([4, 4, 8, 3, 5, 2, 1]).encode()))
    return tmp_path


def test_calls_are_the_categories_of_the_gdc_against_the_most_frequent_copy_number(folder):
    cases = read(Source((folder,)), Config())
    assert cases.case_ids == ("TCGA-AA-0001", "TCGA-AA-0002")
    assert cases.features == ("DDX11L1", "TTTY", "MYC", "TP53", "Y_RNA", "XIST")
    # ploidy 2 and 4; 5 >= 2 x 2 and 8 >= 2 x 4 are amplified; 5 is one more than 4
    np.testing.assert_array_equal(cases.values, [[0, -1, 2, -2, 0, np.nan], [0, 0, 2, -1, 1, -1]])
    assert cases.notes["genes listed twice"] == 1


def test_log2_ratios_are_against_the_same_ploidy_and_no_copy_counts_as_half_a_one(folder):
    cases = read(Source((folder,)), Config(values="log2"))
    expected = [[0, -1, np.log2(2.5), -2, 0, np.nan], [0, 0, 1, np.log2(0.75), np.log2(1.25), -2]]
    np.testing.assert_allclose(cases.values, expected, rtol=1e-6)


def test_of_two_copy_numbers_as_frequent_the_higher_is_the_ploidy(tmp_path):
    (tmp_path / FIRST).write_text(text([2, 2, 3, 3, 1, 4, 9]))
    assert read(Source((tmp_path,)), Config()).values.tolist() == [[-1, -1, 0, 0, -1, 2]]


def test_arms_come_from_the_positions_in_the_file_whatever_the_genes_are_called(folder):
    cases = read(Source((folder,)), Config(values="arms", arms_from="calls"))
    found = dict(zip(ARMS, cases.values[0].tolist(), strict=True))
    assert {arm: value for arm, value in found.items() if not np.isnan(value)} == {
        **{"1p": 0, "1q": -1, "2p": 0, "8q": 2, "17p": -2},
    }
    assert cases.notes["genes beside the 39 arms"] == 1
    assert cases.notes["arms without a gene"] == 34


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER + "\n", "a header and no gene"),
        (text([2, 1, 5, 0, 2, 2, 2.5]), "copy_number must be a whole number of copies .line 8: 2.5"),
        (text([2, 1, 5, -1, 2, 2, 2]), "copy_number must be a whole number of copies .line 5: -1"),
        (text([2, 1, "x", 0, 2, 2, 2]), "line 4, column 'copy_number': 'x'"),
        (text([""] * 6 + [2]), "no copy number of any autosomal gene"),
        (text([0] * 7), "most genes have no copy"),
        (text([2] * 7).replace("copy_number", "copies"), "no column copy_number; is this a file of GDC gene-level"),
        (text([2] * 7).replace("chr17", "chr77"), "no chromosome of 1 to 22, X or Y .line 5: '77'"),
        (
            text([2] * 7).replace("248000900", "249000900"),
            "1 rows end beyond .*line 3: 249000900 on chromosome 1.; they end on it in hg19",
        ),
        (text([2] * 7).replace("11869", "about"), "start is no position in line 2: 'about'"),
        (text([2] * 7).replace("11869", "14500"), "end behind its start .line 2"),
    ],
)
def test_unusable_file_is_refused_with_place_and_remedy(tmp_path, content, said):
    (tmp_path / FIRST).write_text(content)
    with pytest.raises(ValueError, match=f"^{FIRST}: .*{said}"):
        read(Source((tmp_path,)), Config())


def test_files_of_two_releases_are_not_mixed(folder):
    (folder / "0b5f-77" / SECOND).write_bytes(gzip.compress(text([4] * 6, GENES[:6]).encode()))
    with pytest.raises(ValueError, match=f"{SECOND}: lists other genes than {FIRST}; take all files from one release"):
        read(Source((folder,)), Config())
