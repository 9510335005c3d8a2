"""Chromosome arms: the reference tables, and means over genes."""

import numpy as np
import pytest

from modalities.cnv import Config, write_example
from modalities.cnv.arms import ARMS, arm_of_gene, means_over_genes
from modalities.cnv.reading import read
from modalities.core.contract import Source
from modalities.core.files.tables.delimited import rows_of


def test_thirty_nine_arms_in_the_order_of_the_genome():
    assert len(ARMS) == 39
    assert ARMS[:3] == ("1p", "1q", "2p")
    assert ARMS[-2:] == ("21q", "22q")
    assert not {"13p", "14p", "15p", "21p", "22p", "Xp"} & set(ARMS)


@pytest.mark.parametrize(
    ("gene", "arm"),
    [
        *(("ERBB2", "17q"), ("TP53", "17p"), ("MYC", "8q"), ("PTEN", "10q"), ("ESR1", "6q"), ("GATA3", "10p")),
        *(("CDH1", "16q"), ("MDM4", "1q"), ("FGFR1", "8p"), ("AR", "Xq")),
        *(("HIST2H2AA3", "1q"), ("C10ORF128", "10q"), ("EPRS", "1q")),  # since renamed
        ("NO_SUCH_GENE", None),
        ("Y_RNA", None),  # on every chromosome
    ],
)
def test_genes_lie_where_every_textbook_has_them(gene, arm):
    assert arm_of_gene(gene) == arm


def test_an_arm_is_the_mean_of_its_genes_that_are_known():
    values = np.array([[1, 2, np.nan, 4, 9], [np.nan, np.nan, 3, 0, 9]], np.float32)
    found = means_over_genes(values, ["8q", "8q", "8q", "1p", None])
    by_arm = dict(zip(ARMS, found.T.tolist(), strict=True))
    assert by_arm["8q"] == [1.5, 3]
    assert by_arm["1p"] == [4, 0]
    assert np.isnan(by_arm["1q"]).all()


def test_genes_of_no_known_place_are_counted_and_a_table_of_nothing_else_is_refused(tmp_path):
    path = tmp_path / "data_log2_cna.txt"
    path.write_text("Hugo_Symbol\tp1\nMYC\t0.5\nGENE1\t0.1\nAR\t0.3\n")
    cases = read(Source((path,)), Config(values="arms"))
    assert cases.notes["genes of no known place, in no arm"] == 1
    assert cases.notes["genes beside the 39 arms"] == 1
    assert cases.notes["arms without a gene"] == 38
    path.write_text("Hugo_Symbol\tp1\nGENE1\t0.5\nGENE2\t0.1\n")
    with pytest.raises(
        ValueError, match="none of 2 genes lies in a known arm, such as GENE1, GENE2; are these gene sym"
    ):
        read(Source((path,)), Config(values="arms"))


def test_segments_of_the_example_carry_the_arms_of_its_matrices(tmp_path):
    case_ids = [f"case-{number}" for number in range(31)]
    source = write_example(tmp_path, case_ids, [number % 3 for number in range(31)], np.random.default_rng(5))
    arms, ratios = (read(source, Config(values=values)) for values in ("arms", "log2"))
    assert arms.case_ids == tuple(sorted(case_ids))
    ratios = ratios.select(arms.case_ids)
    of_genes = ratios.values.reshape(31, -1, 6).mean(axis=2)[:, 4]  # the fifth arm of the example: 8q
    assert np.corrcoef(arms.values[:, ARMS.index("8q")], of_genes)[0, 1] > 0.9
    assert arms.notes["aliquots refused, no primary tumour: other tissue"] == 4
    assert arms.notes["other tables beside the segments, not read"] == 1


def test_a_real_folder_of_both_reads_segments_unless_the_format_says_otherwise(tcga_data):
    folder = tcga_data / "tcga-brca" / "cnv"
    assert len(read(Source((folder,)), Config(values="arms")).case_ids) == 7
    assert len(read(Source((folder,), format="cbioportal"), Config(values="arms")).case_ids) == 650


@pytest.mark.parametrize(("name", "unplaced", "outside"), [("data_cna.txt", 57, 0), ("data_log2_cna.txt", 10, 15)])
def test_nearly_all_genes_of_the_real_matrices_have_a_place(tcga_data, name, unplaced, outside):
    path = tcga_data / "tcga-brca" / "cnv" / name
    genes = [row[0] for row in rows_of(path, "\t")[1:]]
    arms = [arm_of_gene(gene) for gene in genes]
    assert arms.count(None) == unplaced < 0.05 * len(genes)
    assert sum(arm is not None and arm not in ARMS for arm in arms) == outside
