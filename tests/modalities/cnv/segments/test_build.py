"""The assembly of a file: what it says of itself, else what site.yaml says, never a guess."""

import pytest

from modalities.cnv import Config
from modalities.cnv.genome import assembly
from modalities.cnv.reading import read
from modalities.cnv.segments.tables import read_table
from modalities.core.contract import Source

SEG = "ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\np1\t8\t1\t43000000\t99\t0.5\n"
SAM = "CONTIG\tSTART\tEND\tNUM_POINTS_COPY_RATIO\tMEAN_LOG2_COPY_RATIO\tCALL\nchr8\t1\t43000000\t99\t0.5\t+\n"


def sam(on, n=24):
    lengths = list(assembly(on).lengths.items())[:n]
    return "".join(f"@SQ\tSN:chr{name}\tLN:{length}\n" for name, length in lengths) + "@RG\tID:x\tSM:p1\n" + SAM


def assembly_of(path, format="seg", **settings):
    return read_table(path, Source((path,), **{"units": "log2", **settings}), format)[0].genome.name


@pytest.mark.parametrize("on", ["hg19", "hg38"])
@pytest.mark.parametrize(
    "name", ["data_cna_{}.seg", "brca_tcga_data_cna_{}.seg", "cohort.{}.seg", "Kohorte-{}.seg", "x_{}_log2.seg"]
)
def test_a_files_name_may_say_it(tmp_path, name, on):
    path = tmp_path / name.format(on)
    path.write_text(SEG)
    assert assembly_of(path) == on


@pytest.mark.parametrize(
    ("word", "on"),
    [("GRCh37", "hg19"), ("grch38", "hg38"), ("b37", "hg19"), ("hs37d5", "hg19"), ("GRCh38.p13", "hg38")],
)
def test_other_names_of_the_two_are_known(tmp_path, word, on):
    path = tmp_path / f"cohort_{word}.seg"
    path.write_text(SEG)
    assert assembly_of(path) == on


@pytest.mark.parametrize(("written", "on"), [("hg19", "hg19"), ("GRCh38", "hg38"), ("37", "hg19"), ("38", "hg38")])
def test_a_column_may_say_it(tmp_path, written, on):
    path = tmp_path / "cohort.seg"
    path.write_text(SEG.replace("seg.mean", "seg.mean\tgenome_build").replace("0.5", f"0.5\t{written}"))
    assert assembly_of(path) == on


@pytest.mark.parametrize("cells", ["hg18", "hg19\np2\t8\t1\t9\t1\t0.1\thg38", "somewhere"])
def test_a_column_of_another_assembly_or_of_two_is_refused(tmp_path, cells):
    path = tmp_path / "cohort.seg"
    path.write_text(SEG.replace("seg.mean", "seg.mean\tbuild").replace("0.5", f"0.5\t{cells}"))
    with pytest.raises(ValueError, match=r"^cohort\.seg: column 'build' holds 'hg1\d'|holds 'somewhere'"):
        read(Source((path,), units="log2"), Config(values="arms"))


def test_cbioportals_meta_file_may_say_it(tmp_path):
    path = tmp_path / "segments.seg"
    path.write_text(SEG)
    meta = "genetic_alteration_type: COPY_NUMBER_ALTERATION\nreference_genome_id: {}\ndata_filename: {}\n"
    (tmp_path / "meta_cna_seg.txt").write_text(meta.format("hg38", "segments.seg"))
    (tmp_path / "meta_other.txt").write_text(meta.format("hg19", "other.seg"))
    assert assembly_of(path) == "hg38"


@pytest.mark.parametrize("on", ["hg19", "hg38"])
@pytest.mark.parametrize("n_contigs", [24, 3])
def test_the_lengths_of_a_headers_contigs_say_it(tmp_path, on, n_contigs):
    path = tmp_path / "p1.called.seg"
    path.write_text(sam(on, n_contigs))
    assert assembly_of(path, "gatk", units="") == on


def test_contigs_of_a_third_assembly_are_refused(tmp_path):
    path = tmp_path / "p1.called.seg"
    path.write_text("@SQ\tSN:chr1\tLN:248387328\n@RG\tID:x\tSM:p1\n" + SAM)  # T2T-CHM13
    said = r"^p1\.called\.seg: the contigs in its header are of neither hg19 nor hg38 \(chromosome 1 has 2483"
    with pytest.raises(ValueError, match=said):
        read(Source((path,)), Config(values="arms"))


def test_a_file_that_says_nothing_is_asked_for_it_even_where_its_coordinates_fit_one_only(tmp_path):
    path = tmp_path / "kohorte.seg"
    path.write_text(SEG)
    said = r"^kohorte\.seg: the file does not say on which assembly its positions are; say `assembly: hg19` \(GRCh37\)"
    with pytest.raises(ValueError, match=said + r" or `assembly: hg38` \(GRCh38\) under sources\.cnv in site\.yaml$"):
        read(Source((tmp_path,), units="log2"), Config(values="arms"))
    path.write_text(SEG.replace("43000000", "146000000"))  # beyond 145,138,636, the end of hg38's chromosome 8
    with pytest.raises(ValueError, match=said + r" .* in site\.yaml \(its coordinates fit hg19 only\)$"):
        read(Source((tmp_path,), units="log2"), Config(values="arms"))


@pytest.mark.parametrize("on", ["hg19", "hg38"])
def test_the_site_says_it_where_the_file_does_not(tmp_path, on):
    path = tmp_path / "kohorte.seg"
    path.write_text(SEG)
    cases = read(Source((path,), assembly=on, units="log2"), Config(values="arms"))
    assert cases.values[0, cases.features.index("8p")] == pytest.approx(0.5)
    assert assembly_of(path, assembly=on) == on


def test_two_that_differ_are_refused_and_both_are_named(tmp_path):
    path = tmp_path / "data_cna_hg19.seg"
    path.write_text(SEG)
    said = r"two assemblies \(the file's name says hg19; site\.yaml, sources\.cnv\.assembly says hg38\); correct"
    with pytest.raises(ValueError, match=said):
        read(Source((path,), assembly="hg38", units="log2"), Config(values="arms"))


def test_an_assembly_that_is_not_known_is_refused(tmp_path):
    (tmp_path / "kohorte.seg").write_text(SEG)
    with pytest.raises(ValueError, match=r"sources\.cnv\.assembly: no assembly 'hg18'; known: hg19, hg38"):
        read(Source((tmp_path,), assembly="hg18", units="log2"), Config(values="arms"))


def test_coordinates_that_contradict_the_assembly_are_refused_with_the_one_that_they_fit(tmp_path):
    (tmp_path / "kohorte.seg").write_text(SEG.replace("43000000", "146000000"))
    said = r"1 rows end beyond their chromosome in hg38 \(line 2: 146000000 on chromosome 8\); they end on it in hg19"
    with pytest.raises(ValueError, match=said):
        read(Source((tmp_path,), assembly="hg38", units="log2"), Config(values="arms"))
    (tmp_path / "kohorte.seg").write_text(SEG.replace("43000000", "147000000"))
    with pytest.raises(ValueError, match=r"beyond their chromosome in hg38 .*; they lie on neither hg19 nor hg38"):
        read(Source((tmp_path,), assembly="hg38", units="log2"), Config(values="arms"))
