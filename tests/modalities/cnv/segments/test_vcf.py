"""Copy number in VCF: which records count, which fields, and what is refused."""

import gzip

import numpy as np
import pytest

from modalities.cnv import Config
from modalities.cnv.reading import read
from modalities.core.contract import Source

HEAD = """##fileformat=VCFv4.2
##contig=<ID=chr8,length=145138636>
##reference=file:///data/GRCh38/genome.fa
##INFO=<ID=END,Number=1,Type=Integer,Description="End position, of the variant">
##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type of structural variant">
"""
SM = '##FORMAT=<ID=SM,Number=1,Type=Float,Description="Linear copy ratio of the segment mean">\n'
FC = '##FORMAT=<ID=FC,Number=1,Type=Float,Description="Fold change">\n'
CN = '##FORMAT=<ID=CN,Number=1,Type=Integer,Description="Estimated copy number">\n'
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp1\n"
WHOLE_8P = "chr8\t1\t.\tN\t<DUP>\t9\tPASS\tSVTYPE=CNV;END=43200000\tGT:SM\t./.:1.5\n"


def arms(folder, text, name="x.vcf", config=None, **source):
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    cases = read(Source((folder,), **source), config or Config(values="arms"))
    found = dict(zip(cases.features, cases.values[0].tolist(), strict=True))
    return {arm: value for arm, value in found.items() if not np.isnan(value)}, cases


def record(start, kind, info, *fields, alt="<DUP>", chromosome="chr8", filters="PASS"):
    keys, values = fields if fields else ("GT:SM", "./.:1.5")
    info = f"SVTYPE={kind};{info}" if kind else info
    return f"{chromosome}\t{start}\t.\tN\t{alt}\t9\t{filters}\t{info}\t{keys}\t{values}\n"


@pytest.mark.parametrize("name", ["x.cnv.vcf", "x.cnv.vcf.gz"])
def test_segments_run_from_pos_to_end_whatever_their_filter_and_unchanged_ones_count(tmp_path, name):
    text = HEAD + SM + COLUMNS
    text += record(1, "CNV", "END=10800000")
    text += record(10_800_001, "", "END=21600000", "GT:SM", "./.:1", alt=".")
    text += record(21_600_001, "CNV", "END=43200000", "GT:SM", "./.:0.5", alt="<DEL>", filters="cnvQual")
    found, cases = arms(tmp_path, text, name)
    assert found == {"8p": pytest.approx((np.log2(1.5) + 0 + 2 * -1) / 4)}
    assert cases.case_ids == ("p1",)


def test_a_segment_may_give_its_length_in_place_of_its_end(tmp_path):
    text = HEAD + SM + COLUMNS + record(1, "DUP", "SVLEN=43199999")
    assert arms(tmp_path, text)[0] == {"8p": pytest.approx(np.log2(1.5))}
    text = HEAD + SM + COLUMNS + record(1, "DEL", "SVLEN=-43199999", alt="<DEL>")
    assert arms(tmp_path, text)[0] == {"8p": pytest.approx(np.log2(1.5))}


def test_records_of_other_variants_and_contigs_beside_the_chromosomes_are_counted(tmp_path):
    text = HEAD + SM + COLUMNS + WHOLE_8P
    text += record(50_000_000, "INV", "END=60000000", alt="<INV>")
    text += record(50_000_000, "", "DP=9", alt="A")
    for contig in ("chrUn_KI270742v1", "chrM"):
        text += record(1, "CNV", "END=9000", chromosome=contig)
    found, cases = arms(tmp_path, text)
    assert found == {"8p": pytest.approx(np.log2(1.5))}
    assert cases.notes["records that are no copy-number segment"] == 2
    assert cases.notes["segments on contigs beside the chromosomes"] == 2


def test_a_value_that_a_record_lacks_is_missing(tmp_path):
    text = HEAD + SM + COLUMNS + WHOLE_8P + record(50_000_000, "CNV", "END=145138636", "GT:SM", "./.:.")
    found, cases = arms(tmp_path, text)
    assert found == {"8p": pytest.approx(np.log2(1.5))}
    assert cases.notes["segments without a mean"] == 1


def test_fc_is_a_ratio_only_where_the_header_says_so(tmp_path):
    rows = COLUMNS + record(1, "DUP", "END=43200000", "GT:FC", "./.:3")
    assert arms(tmp_path, HEAD + FC + rows)[0] == {"8p": pytest.approx(np.log2(3))}
    other = FC.replace("Fold change", "(Unnormalized) fragment count")
    with pytest.raises(ValueError, match=r"no copy number of log2 in this folder; it holds x\.vcf "):
        arms(tmp_path, HEAD + other + rows)


def test_a_vcf_of_point_mutations_beside_it_is_passed_over(tmp_path):
    (tmp_path / "mutect.vcf").write_text(
        "##fileformat=VCFv4.2\n" + COLUMNS + "chr8\t9\t.\tA\tC\t9\tPASS\tDP=3\tGT\t0/1\n"
    )
    assert arms(tmp_path, HEAD + SM + COLUMNS + WHOLE_8P)[0] == {"8p": pytest.approx(np.log2(1.5))}


def test_every_sample_of_a_file_is_read(tmp_path):
    text = HEAD + SM + COLUMNS.replace("p1", "p2\tp1") + record(1, "CNV", "END=43200000", "GT:SM", "./.:2\t./.:4")
    _, cases = arms(tmp_path, text)
    assert cases.case_ids == ("p1", "p2")
    assert cases.values[:, cases.features.index("8p")].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD + SM + COLUMNS.replace("POS", "POSITION") + WHOLE_8P,
            "its columns must begin with #CHROM POS",
        ),
        (
            HEAD + COLUMNS + WHOLE_8P,
            r"its header declares no field of copy number, such as LOG2, .*, CN; is this",
        ),
        (HEAD + SM + COLUMNS + record(1, "INV", "END=9"), "no record of a copy-number segment"),
        (HEAD + SM + COLUMNS, "no record of a copy-number segment"),
        (
            HEAD + SM + COLUMNS + record(1, "CNV", "END=145138637"),
            r"1 rows end beyond .* hg38 \(line 8: 145138637 ",
        ),
        (HEAD + SM + COLUMNS + record(1, "CNV", "END=x"), "end is no position in line 8: 'x'"),
        (HEAD + SM + COLUMNS + record(1, "CNV", "SVLEN=x"), "end is no position in line 8: 'x'"),
        (HEAD + SM + COLUMNS + record(1, "CNV", "END=9", "GT:SM", "./.:-1"), r"1 values are no ratio \(-1\)"),
        (HEAD + SM + COLUMNS + record(1, "CNV", "END=9", "GT:SM", "./.:a"), "line 8, column 'SM': 'a'"),
        (HEAD + SM + COLUMNS + WHOLE_8P + record(9, "CNV", "END=99"), r"segments overlap those before them \(line 9\)"),
        (HEAD.replace("145138636", "145138000") + SM + COLUMNS + WHOLE_8P, "are of neither hg19 nor hg38"),
    ],
)
def test_unusable_file_is_refused_with_place_and_remedy(tmp_path, text, said):
    path = tmp_path / "x.vcf"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"^x\.vcf: .*{said}"):
        read(Source((path,), format="vcf"), Config(values="arms"))
