"""Which file of a folder is read, and by which reader."""

import pytest

from modalities.cnv.files import find
from modalities.core.contract import Source

CBIOPORTAL = "Hugo_Symbol\tp1\nMYC\t1\n"
SEGMENTS = "GDC_Aliquot\tChromosome\tStart\tEnd\tNum_Probes\tSegment_Mean\na\t1\t1\t9\t1\t0.1\n"
GENES = "gene_id\tgene_name\tchromosome\tstart\tend\tcopy_number\nE1\tMYC\tchr8\t1\t2\t2\n"


def found(path, values="calls", segments_first=False, form="auto"):
    result = find(Source((path,), format=form), values, segments_first)
    return result.format, [file.name for file in result.paths]


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("x.txt", CBIOPORTAL, "cbioportal"),
        ("x.csv", CBIOPORTAL.replace("\t", ","), "cbioportal"),
        ("x.by_genes", CBIOPORTAL.replace("Hugo_Symbol", "Gene Symbol"), "xena"),
        ("x.tsv", "\ufeff" + GENES, "gdc_genes"),
        ("x.txt", SEGMENTS, "gdc_segments"),
    ],
)
def test_a_files_own_header_tells_its_format(tmp_path, name, content, form):
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert found(tmp_path / name) == (form, [name])
    assert found(tmp_path, segments_first=True) == (form, [name])


def test_a_folder_prefers_segments_for_arms_then_a_matrix_then_gene_level_files(tmp_path):
    (tmp_path / "a.tsv").write_text(GENES)
    assert found(tmp_path) == ("gdc_genes", ["a.tsv"])
    (tmp_path / "data_cna.txt").write_text(CBIOPORTAL)
    assert found(tmp_path) == ("cbioportal", ["data_cna.txt"])
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "b.seg.txt").write_text(SEGMENTS)
    assert found(tmp_path) == ("cbioportal", ["data_cna.txt"])
    assert found(tmp_path, segments_first=True) == ("gdc_segments", ["b.seg.txt"])
    assert find(Source((tmp_path,)), "calls", True).notes == {"other tables beside the segments, not read": 2}
    assert found(tmp_path, segments_first=True, form="gdc_genes") == ("gdc_genes", ["a.tsv"])


def test_segments_by_the_sites_own_column_names_are_found_in_a_folder_where_their_format_is_named(tmp_path):
    (tmp_path / "ours.seg").write_text("Probe\tChr\tvon\tbis\tratio\na\t1\t1\t9\t0.1\n")
    (tmp_path / "samples.csv").write_text("sample,case_id\na,p1\n")
    own = {"sample": "Probe", "chromosome": "Chr", "start": "von", "end": "bis", "value": "ratio"}
    named = find(Source((tmp_path,), format="seg", columns=own), "log2", True)
    assert (named.format, [path.name for path in named.paths]) == ("seg", ["ours.seg"])
    with pytest.raises(ValueError, match="no copy number of cnvkit in this folder"):
        find(Source((tmp_path,), format="cnvkit", columns=own), "log2", True)


def test_the_only_matrix_of_a_folder_may_have_any_name(tmp_path):
    (tmp_path / "ours.tsv").write_text(CBIOPORTAL)
    (tmp_path / "peaks.csv").write_text("case_id,peak\np1,1\n")
    assert found(tmp_path, "log2") == ("cbioportal", ["ours.tsv"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"\xff\xfe\x00", "not UTF-16 text"),
        (b"just a line\n", "only one column"),
        (
            b"a\tb\n1\t2\n",
            r"its columns are 'a', 'b'; a matrix begins with Hugo_Symbol .*segments name",
        ),
    ],
)
def test_a_file_of_no_known_format_says_what_it_lacks(tmp_path, content, said):
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(ValueError, match=f"^x.txt: .*{said}"):
        found(tmp_path / "x.txt")


def test_a_format_that_the_folder_does_not_hold_is_refused(tmp_path):
    (tmp_path / "data_cna.txt").write_text(CBIOPORTAL)
    with pytest.raises(ValueError, match=r"no copy number of gdc_genes .*; it holds data_cna\.txt \(cbioportal\); "):
        found(tmp_path, form="gdc_genes")


@pytest.mark.parametrize("values", ["calls", "log2"])
def test_of_the_gdcs_two_kinds_of_segments_the_masked_ones_give_ratios_and_the_allele_specific_ones_calls(
    tmp_path, values
):
    (tmp_path / "a.seg.txt").write_text(SEGMENTS)
    (tmp_path / "b.seg.txt").write_text(SEGMENTS.replace("Segment_Mean", "Copy_Number"))
    form, name = ("gdc_segments", "a.seg.txt") if values == "log2" else ("gdc_ascat", "b.seg.txt")
    assert found(tmp_path, values) == (form, [name])
    assert find(Source((tmp_path,)), values, False).notes == {"segments of another format, not read": 1}


def test_segments_of_two_programs_in_a_folder_must_be_chosen_from(tmp_path):
    (tmp_path / "p1.cns").write_text("chromosome\tstart\tend\tgene\tlog2\tprobes\nchr1\t1\t9\t-\t0\t1\n")
    (tmp_path / "all.seg").write_text("ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\np1\t1\t1\t9\t1\t0\n")
    said = r"segments of 2 formats \(1 of seg, such as all\.seg, 1 of cnvkit, such as p1\.cns\); .* `format: seg`"
    with pytest.raises(ValueError, match=said):
        found(tmp_path, "log2")
    assert found(tmp_path, "log2", form="cnvkit") == ("cnvkit", ["p1.cns"])


def test_what_gatk_leaves_for_igv_is_not_read_beside_its_segments(tmp_path):
    (tmp_path / "p1.called.seg").write_text(
        "CONTIG\tSTART\tEND\tNUM\tMEAN_LOG2_COPY_RATIO\tCALL\nchr1\t1\t9\t1\t0\t0\n"
    )
    for step in ("called", "af"):
        igv = "Sample\tChromosome\tStart\tEnd\tNum_Probes\tSegment_Mean\np1\tchr1\t1\t9\t1\t0\n"
        (tmp_path / f"p1.{step}.igv.seg").write_text(igv)
    assert found(tmp_path, "log2") == ("gatk", ["p1.called.seg"])
    assert find(Source((tmp_path,)), "log2", False).notes == {"segments of another format, not read": 2}
    (tmp_path / "all.seg").write_text("ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\np1\t1\t1\t9\t1\t0\n")
    with pytest.raises(ValueError, match="segments of 2 formats"):
        found(tmp_path, "log2")


def test_a_list_of_samples_is_no_matrix(tmp_path):
    (tmp_path / "samples.csv").write_text("sample,case_id\nS1,p1\n")
    (tmp_path / "all.seg").write_text("ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\nS1\t1\t1\t9\t1\t0\n")
    assert found(tmp_path, "log2") == ("seg", ["all.seg"])


def test_segments_of_a_program_that_is_not_known_are_no_matrix(tmp_path):
    (tmp_path / "x.tsv").write_text("sample\tchr\tstartpos\tendpos\tntot\np1\t1\t1\t9\t2.1\n")
    with pytest.raises(ValueError, match=r"its columns are 'sample', 'chr', 'startpos', 'endpos', 'ntot'"):
        found(tmp_path / "x.tsv", "log2")
