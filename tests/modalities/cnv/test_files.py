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
