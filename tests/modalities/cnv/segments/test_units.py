"""In which unit segments are, and what is made of them."""

import numpy as np
import pytest

from modalities.cnv import Config
from modalities.cnv.reading import read
from modalities.core.contract import Source

ARMS_OF = Config(values="arms")
CALLS_OF = Config(values="arms", arms_from="calls")


def seg(folder, column, *rows):
    """A table of one sample on hg38: chromosome, start, end, value."""
    lines = [f"ID\tchrom\tloc.start\tloc.end\t{column}"]
    lines += ["\t".join(["p1", *map(str, row)]) for row in rows]
    path = folder / "c.hg38.seg"
    path.write_text("\n".join(lines) + "\n")
    return path


def arms(path, config=ARMS_OF, **source):
    cases = read(Source((path,), **source), config)
    found = dict(zip(cases.features, cases.values[0].tolist(), strict=True))
    return {arm: value for arm, value in found.items() if not np.isnan(value)}


@pytest.mark.parametrize(
    ("units", "value", "log2"),
    [("log2", -0.3, -0.3), ("ratio", 1.5, 0.5849625), ("ratio", 0.0, -2), ("ratio", 0.1, -2)],
)
def test_a_ratio_is_taken_as_it_is_and_no_copy_as_half_a_one_of_two(tmp_path, units, value, log2):
    path = seg(tmp_path, "seg.mean", (8, 1, 43_200_000, value))
    assert arms(path, units=units) == {"8p": pytest.approx(log2)}


@pytest.mark.parametrize(("column", "log2"), [("log2", 0.5), ("Copy_Ratio", -1.0)])
def test_a_column_that_says_its_unit_needs_no_setting(tmp_path, column, log2):
    assert arms(seg(tmp_path, column, (8, 1, 43_200_000, 0.5))) == {"8p": pytest.approx(log2)}


def genome(copies_of_8p, rest):
    """8p, and the whole of chromosomes 1 to 7 and 9 to 16, each of so many copies."""
    lengths = (248_000_000, 242_000_000, 198_000_000, 190_000_000, 181_000_000, 170_000_000, 159_000_000)
    others = (138_000_000, 133_000_000, 135_000_000, 133_000_000, 114_000_000, 107_000_000, 101_000_000, 90_000_000)
    chromosomes = [*range(1, 8), *range(9, 17)]
    rows = [(name, 1, end, rest) for name, end in zip(chromosomes, (*lengths, *others), strict=True)]
    return [*rows, (8, 1, 43_200_000, copies_of_8p)]


@pytest.mark.parametrize(
    ("copies", "ploidy", "log2", "call"),
    [(4, 4, 0, 0), (0, 2, -2, -2), (0, 4, -3, -2), (1, 2, -1, -1), (3, 4, -0.4150375, -1), (3, 2, 0.5849625, 1),
     (5, 4, 0.3219281, 1), (4, 2, 1, 2), (7, 4, 0.8073549, 1), (8, 4, 1, 2)],
)  # fmt: skip
def test_copies_are_held_against_the_number_that_most_of_the_genome_has(tmp_path, copies, ploidy, log2, call):
    path = seg(tmp_path, "Copy_Number", *genome(copies, ploidy))
    assert arms(path)["8p"] == pytest.approx(log2)
    assert arms(path, CALLS_OF)["8p"] == call


def test_the_mean_over_cells_may_be_no_whole_number_and_its_call_is_of_the_nearest(tmp_path):
    path = seg(tmp_path, "seg.mean", *genome(2.6, 2.1))
    found = arms(path, units="copies")
    assert found["8p"] == pytest.approx(np.log2(2.6 / 2))
    assert found["1p"] == pytest.approx(np.log2(2.1 / 2))
    assert arms(path, CALLS_OF, units="copies")["8p"] == 1


def test_calls_are_taken_as_they_are_and_give_no_ratios(tmp_path):
    path = seg(tmp_path, "seg.mean", (8, 1, 21_600_000, -2), (8, 21_600_001, 43_200_000, 1))
    assert arms(path, CALLS_OF, units="calls") == {"8p": -0.5}
    with pytest.raises(ValueError, match=r"c\.hg38\.seg: it holds calls, of which no log2 can be made; give"):
        arms(path, units="calls")


@pytest.mark.parametrize(
    ("column", "value", "units", "said"),
    [
        (
            "seg.mean",
            0.5,
            "",
            r"column seg\.mean does not say its unit; say `units: log2`, `ratio`, `copies` or",
        ),
        ("seg.mean", 0.5, "log10", r"sources\.cnv\.units: no unit 'log10'; known: log2, ratio, copies, calls"),
        ("log2", 0.5, "copies", r"its column log2 is log2, site\.yaml says units: copies; take `units` out"),
        ("seg.mean", -0.5, "ratio", r"1 values are no ratio \(-0\.5\); is the unit another\? say it in sources\.cnv"),
        ("seg.mean", -1, "copies", r"1 values are no copies \(-1\)"),
        ("seg.mean", 0.5, "calls", r"1 values are no calls \(0\.5\)"),
        ("seg.mean", 3, "calls", r"1 values are no calls \(3\)"),
        ("log2", "+", "", r"1 cells are no finite number \(line 2, column 'log2': '\+'\)"),
        ("seg.mean", "high", "log2", r"1 cells are no finite number \(line 2, column 'seg\.mean': 'high'\)"),
    ],
)
def test_a_unit_that_is_unsaid_or_contradicted_is_refused(tmp_path, column, value, units, said):
    path = seg(tmp_path, column, (8, 1, 43_200_000, value))
    with pytest.raises(ValueError, match=said):
        arms(path, units=units)


def test_the_ploidy_of_a_tumour_whose_unchanged_segments_are_left_out_is_not_known(tmp_path):
    path = seg(tmp_path, "Copy_Number", (8, 1, 43_200_000, 3))
    said = r"its segments cover 2% of the autosomes, too little to know the tumour's ploidy; export"
    with pytest.raises(ValueError, match=said):
        arms(path)


def test_a_genome_of_no_copies_has_no_ploidy(tmp_path):
    with pytest.raises(ValueError, match="most of the genome has no copy, so there is no ploidy"):
        arms(seg(tmp_path, "Copy_Number", *genome(2, 0)))


def test_unit_and_assembly_are_asked_for_at_once_and_of_all_files_together(tmp_path):
    for name in ("a", "b", "c"):
        path = seg(tmp_path, "seg.mean", (8, 1, 43_200_000, 0.1))
        path.rename(tmp_path / f"{name}.seg")
    with pytest.raises(ValueError, match="does not say") as caught:
        arms(tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "column seg.mean does not say its unit (3 files: a.seg, b.seg, c.seg); say `units: log2`" in lines[0]
    assert "the file does not say on which assembly its positions are (3 files: a.seg, b.seg, c.seg); " in lines[1]


def test_where_cnvkit_read_nothing_is_no_copy_and_not_a_millionth_of_one(tmp_path):
    header = "chromosome\tstart\tend\tgene\tlog2\tdepth\tprobes\tweight\n"
    rows = "chr8\t0\t21600000\t-\t-19.8396\t0\t1\t1\nchr8\t21600000\t43200000\t-\t-3.5\t9\t9\t1\n"
    (tmp_path / "p1.cns").write_text(header + rows)
    assert arms(tmp_path, assembly="hg38") == {"8p": pytest.approx((-2 - 3.5) / 2)}
