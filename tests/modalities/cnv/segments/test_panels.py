"""A targeted panel: what it does not cover is missing and counted, and no error."""

import numpy as np

from modalities.cnv import Config
from modalities.cnv.reading import read
from modalities.core.contract import Source

HEADER = "chromosome\tstart\tend\tgene\tlog2\tdepth\tprobes\tweight\n"
PANEL = (("chr17", 39_500_000, 39_900_000, "ERBB2", 1.5), ("chr8", 127_000_000, 128_000_000, "MYC", 0.5))
GENES = ["ERBB2", "MYC", "TP53", "PTEN", "CDH1"]


def panel(folder, *case_ids):
    rows = "".join(f"{c}\t{first}\t{last}\t{gene}\t{log2}\t9\t9\t9\n" for c, first, last, gene, log2 in PANEL)
    for case_id in case_ids:
        (folder / f"{case_id}.cns").write_text(HEADER + rows)
    return Source((folder,), assembly="hg38")


def test_genes_of_the_agreed_list_beside_the_panel_are_missing_and_counted(tmp_path):
    cases = read(panel(tmp_path, "p1", "p2"), Config(values="log2", features=GENES))
    np.testing.assert_array_equal(cases.values, [[1.5, 0.5, np.nan, np.nan, np.nan]] * 2)
    assert cases.notes["genes that no segment covers, missing"] == 3


def test_its_genes_are_few_of_all_that_are_known(tmp_path):
    cases = read(panel(tmp_path, "p1"), Config(values="log2"))
    known = [gene for gene, value in zip(cases.features, cases.values[0], strict=True) if not np.isnan(value)]
    assert {"ERBB2", "GRB7", "MYC"} <= set(known)
    assert cases.notes["genes that no segment covers, missing"] == 19_048 - len(known)


def test_no_arm_of_it_is_known(tmp_path):
    cases = read(panel(tmp_path, "p1"), Config(values="arms"))
    assert np.isnan(cases.values).all()
    assert cases.notes["arms covered too little"] == 39


def test_genes_that_a_panels_matrix_lacks_are_missing_and_counted(tmp_path):
    path = tmp_path / "data_cna.txt"
    path.write_text("Hugo_Symbol\tp1\tp2\nERBB2\t2\t0\nMYC\t0\tNA\n")
    cases = read(Source((path,)), Config(features=GENES))
    np.testing.assert_array_equal(cases.values[:, :2], [[2, 0], [0, np.nan]])
    assert cases.notes["genes imputed"] == 3
