"""GDC masked copy-number segments: the real ones, and what is refused."""

import numpy as np
import pytest

from modalities.cnv import ARMS, Config
from modalities.cnv.reading import read
from modalities.core.contract import Source

NAME = "TCGA-AA-0001-01A-11D-A111-01.nocnv_grch38.seg.v2.txt"
HEADER = "GDC_Aliquot\tChromosome\tStart\tEnd\tNum_Probes\tSegment_Mean"
ARM = Config(values="arms")


def text(*rows, header=HEADER):
    return "\n".join([header, *("\t".join(["a1", *map(str, row)]) for row in rows)]) + "\n"


def read_text(folder, content, name=NAME, config=ARM):
    (folder / name).write_text(content)
    return read(Source((folder,)), config)


def test_an_arm_is_the_mean_over_the_bases_covered_and_a_segment_over_the_centromere_counts_on_both_sides(tmp_path):
    # 8p ends at 43,200,000 and 8q begins at 47,200,000 of 145,138,636
    rows = [(8, 1, 13_200_000, 9, 0.5), (8, 13_200_001, 67_200_000, 9, -0.1), ("chr8", 67_200_001, 107_200_000, 9, 0.7)]
    cases = read_text(tmp_path, text(*rows, ("X", 1, 100, 1, 3.0), (3, 1, 40_000_000, 4, 0.2), (3, 5e7, 6e7, 1, "")))
    found = dict(zip(ARMS, cases.values[0].tolist(), strict=True))
    assert found["8p"] == pytest.approx((13.2 * 0.5 + 30 * -0.1) / 43.2)
    assert found["8q"] == pytest.approx((20 * -0.1 + 40 * 0.7) / 60)
    assert np.isnan(found["3p"])  # 40 of 87.8 million bases are covered: less than half
    assert cases.features == ARMS
    assert cases.case_ids == ("TCGA-AA-0001",)
    assert cases.notes["segments on X or Y, which are no input"] == 1
    assert cases.notes["segments without a mean"] == 1
    assert cases.notes["arms covered too little"] == 37


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER + "\n", "a header and no segment"),
        (
            text((1, 1, 248_956_423, 9, 0.1)),
            "1 rows end beyond .*hg38 .line 2: 248956423 on chromosome 1.; they end on it in hg19: if the file",
        ),
        (text((1, 1, "9e99", 9, 0.1)), "1 rows end beyond their chromosome"),
        (text((1, 1, 500, 9, 0.1), (1, 400, 900, 9, 0.1)), "segments overlap those before them .line 3"),
        (text((1, 0, 500, 9, 0.1)), "start at 1 or more and end behind its start .line 2"),
        (text((1, "1_0", 500, 9, 0.1)), "start is no position in line 2: '1_0'"),
        (text((23, 1, 500, 9, 0.1)), "no chromosome of 1 to 22, X or Y .line 2: '23'"),
        (text((1, 1, 500, 9, "inf")), "line 2, column 'Segment_Mean': 'inf'"),
        (text((1, 1, 500, 9, 0.1)) + "a2\t2\t1\t500\t9\t0.1\n", "segments of 2 aliquots; give each aliquot its own"),
        (
            text((1, 1, 500, 9, 2), header=HEADER.replace("Segment_Mean", "Copies")),
            "no column Segment_Mean; is this",
        ),
        (text((1, 1, 500)), "the header has 6 fields, but line 2 has 4"),
    ],
)
def test_unusable_file_is_refused_with_place_and_remedy(tmp_path, content, said):
    with pytest.raises(ValueError, match=f"^{NAME}: .*{said}"):
        read_text(tmp_path, content)


def test_a_file_whose_name_says_hg19_is_none_of_the_gdc_which_measures_on_hg38(tmp_path):
    name = "TCGA-AA-0001-01A.nocnv_hg19.seg.txt"
    said = rf"{name}: two assemblies \(the format .* says hg38; the file's name says hg19\); correct the one"
    with pytest.raises(ValueError, match=said):
        read_text(tmp_path, text((1, 1, 500, 9, 0.1)), name)


def test_ratios_alone_give_no_calls(tmp_path):
    content = text((1, 1, 500, 9, 0.1))
    for config in (Config(), Config(values="arms", arms_from="calls")):
        with pytest.raises(ValueError, match=f"{NAME}: it holds log2, of which no calls can be made; give a"):
            read_text(tmp_path, content, config=config)


def test_seven_real_tumours_are_read_and_three_normal_aliquots_refused_with_the_reason(tcga_data):
    cases = read(Source((tcga_data / "tcga-brca" / "cnv" / "gdc_masked_segments",)), ARM)
    assert cases.case_ids == (
        *("TCGA-A2-A0YD", "TCGA-A8-A086", "TCGA-AR-A0TV", "TCGA-B6-A0RP", "TCGA-BH-A0BR", "TCGA-D8-A27T"),
        "TCGA-E2-A1B1",
    )
    assert cases.values.shape == (7, 39)
    assert np.isfinite(cases.values).all()
    assert cases.notes["aliquots refused, no primary tumour: blood of the patient, which is normal"] == 2
    assert cases.notes["aliquots refused, no primary tumour: normal tissue"] == 1
    # what the file of the first says, seen by eye: 1q gained, 16q lost
    found = dict(zip(ARMS, cases.values[0].tolist(), strict=True))
    assert found["1q"] > 0.7
    assert found["16q"] < -0.3
    assert abs(found["2p"]) < 0.1


def test_a_real_normal_alone_is_refused(tcga_data):
    path = next((tcga_data / "tcga-brca" / "cnv" / "gdc_masked_segments").glob("*-11A-*"))
    with pytest.raises(
        ValueError, match=r"no file of a primary tumour \(1 aliquots refused, .*: normal tissue\); give"
    ):
        read(Source((path,)), ARM)
