"""The two assemblies: where chromosomes end, centromeres lie and arms begin."""

import json

import pytest

from modalities.cnv.genome import ASSEMBLIES, AUTOSOMES, REFERENCE, SEX_CHROMOSOMES, assembly


def test_reference_files_say_where_they_come_from_and_stay_small():
    files = sorted(REFERENCE.glob("*.json"))
    assert len(files) == 6
    for file in files:
        table = json.loads(file.read_text(encoding="utf-8"))
        assert table["source"]
        assert table["licence"]
        assert file.stat().st_size < 420_000


@pytest.mark.parametrize("name", ASSEMBLIES)
def test_arms_and_centromeres_fit_together(name):
    genome = assembly(name)
    assert tuple(genome.lengths) == (*AUTOSOMES, *SEX_CHROMOSOMES)
    for chromosome, centromere in genome.centromeres.items():
        (zero, short), (long, end) = (genome.arms[f"{chromosome}{side}"] for side in "pq")
        assert zero == 0 < short < centromere < long < end == genome.lengths[chromosome]


def test_the_middle_of_a_centromere_belongs_to_the_short_arm():
    genome = assembly("hg38")
    assert [genome.arm_at("1", position) for position in (123_400_000, 123_400_001)] == ["1p", "1q"]
    assert genome.arm_at("Z", 1) is None


@pytest.mark.parametrize(
    ("chromosome", "hg19", "hg38"),
    [("1", 249_250_621, 248_956_422), ("17", 81_195_210, 83_257_441), ("X", 155_270_560, 156_040_895)],
)
def test_lengths_are_those_that_headers_of_either_assembly_write(chromosome, hg19, hg38):
    """As in the header of a VCF on hs37d5, and in one on GRCh38."""
    assert [assembly(name).lengths[chromosome] for name in ASSEMBLIES] == [hg19, hg38]
