"""Where genes lie on either assembly, and their copy number from segments."""

import numpy as np
import pytest

from modalities.cnv.genes import means_within, place_of, places_of, spans_by_chromosome
from modalities.cnv.genome import assembly


def test_the_same_genes_are_known_on_both_assemblies_each_within_its_chromosome():
    assert len(places_of("hg38")) == 19_048
    assert set(places_of("hg19")) == set(places_of("hg38"))
    for name in ("hg19", "hg38"):
        for chromosome, first, last in places_of(name).values():
            assert 0 < first <= last <= assembly(name).lengths[chromosome]


@pytest.mark.parametrize(
    ("gene", "hg19", "hg38"),
    [
        ("MYC", ("8", 128_747_680), ("8", 127_735_434)),  # as Ensembl has them
        ("TP53", ("17", 7_565_097), ("17", 7_661_779)),
        ("ERBB2", ("17", 37_844_167), ("17", 39_687_914)),
    ],
)
def test_genes_lie_where_the_genome_browser_has_them(gene, hg19, hg38):
    assert [places_of(name)[gene][:2] for name in ("hg19", "hg38")] == [hg19, hg38]


def test_former_names_and_gistics_are_known_and_a_name_of_two_genes_is_not():
    for name in ("eprs", "EPRS|chr1", "EPRS1"):
        assert place_of(name, "hg38") == place_of("EPRS1", "hg38") is not None
    assert place_of("MLL2", "hg38") is None  # KMT2B once, and KMT2D
    assert place_of("NO_SUCH_GENE", "hg38") is None


def test_a_gene_is_the_mean_over_its_bases_that_segments_with_a_value_cover():
    starts, ends = np.array([101, 201, 401, 501, 1]), np.array([200, 300, 500, 600, 900])
    values = np.array([1.0, 4.0, 7.0, np.nan, 9.0])
    places = [
        ("1", 101, 150),  # within one
        ("1", 151, 225),  # 50 bases of 1.0, 25 of 4.0
        ("1", 251, 420),  # 50 of 4.0, 20 of 7.0; 301 to 400 are covered by none
        ("1", 310, 390),  # by none
        ("1", 510, 590),  # by one without a value
        ("2", 5, 5),
        ("3", 5, 5),
        None,
    ]
    found = means_within(spans_by_chromosome(places), len(places), ["1", "1", "1", "1", "2"], starts, ends, values)
    expected = [1, (50 * 1 + 25 * 4) / 75, (50 * 4 + 20 * 7) / 70, np.nan, np.nan, 9, np.nan, np.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_two_segments_may_share_a_base():
    starts, ends, values = np.array([1, 100]), np.array([100, 200]), np.array([0.0, 2.0])
    found = means_within(spans_by_chromosome([("1", 1, 200)]), 1, ["1", "1"], starts, ends, values)
    assert found[0] == pytest.approx(1, abs=0.01)
