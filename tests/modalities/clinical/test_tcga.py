"""The real TCGA-BRCA files read clean, and hold the signal that is known to be there."""

import csv

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from modalities import clinical
from modalities.clinical.readers import biotab, cbioportal, xena
from modalities.core.contract import Source
from modalities.core.files.leakage import refuse

CLASSES = ("LumA", "LumB", "Basal", "Her2")


@pytest.fixture(scope="module")
def folder(tcga_data):
    return tcga_data / "tcga-brca"


def read(folder, inputs="ihc"):
    return clinical.read(Source((folder / "clinical",)), clinical.Config(inputs=inputs))


def test_every_case_is_read_and_no_value_is_unknown(folder):
    cases = read(folder)
    assert len(cases.case_ids) == len(set(cases.case_ids)) == 827
    counts = {name: count for name, count in cases.notes.items() if count}
    assert counts == {
        "biotab: rows used": 827,
        "xena: rows used": 827,
        "xena: rows that are no primary tumour": 121,
        "cbioportal: rows used": 814,
        "cbioportal: fields the file lacks": 5,  # menopause, positive nodes and receptors, which METABRIC's export has
        "conflicts between files": 4,
    }


def test_counts_are_those_of_the_raw_files(folder):
    cases = read(folder)
    total = dict(zip(cases.features, np.nansum(cases.values, axis=0), strict=True))
    known = dict(zip(cases.features, np.isfinite(cases.values).sum(axis=0), strict=True))
    assert {name: total[name] for name in ("er=positive", "er=negative", "pr=negative", "her2_ihc_score=3+")} == {
        "er=positive": 630,
        "er=negative": 158,
        "pr=negative": 237,
        "her2_ihc_score=3+": 63,
    }
    assert (total["histology=ductal"], total["histology=lobular"], total["histology=mixed"]) == (585, 157, 43)
    assert (known["age"], known["stage"], known["nodes_positive"], known["grade"]) == (827, 813, 715, 0)


def test_no_column_that_the_readers_use_is_refused_by_the_leakage_guard(folder):
    used = [name for reader in (biotab, xena, cbioportal) for names in reader.LAYOUT.columns.values() for name in names]
    assert refuse(dict.fromkeys(used)) == {}
    for layout in (biotab.LAYOUT, xena.LAYOUT, cbioportal.LAYOUT):
        files = [*(folder / "clinical").iterdir(), *(folder.parent / "metabric" / "clinical").glob("*")]
        headers = [set(header(path)) for path in files if layout.marks <= set(header(path))]
        assert {name for names in layout.columns.values() for name in names} <= set.union(*headers)


def test_every_leaking_column_of_the_real_files_is_refused(folder):
    leaking = {"Subtype", "Fraction Genome Altered", "Aneuploidy Score", "TMB (nonsynonymous)", "MSIsensor Score"}
    leaking |= {"Ragnum Hypoxia Score", "Winter Hypoxia Score", "Buffa Hypoxia Score", "Radiation Therapy"}
    leaking |= {"Overall Survival Status", "Progression Free Status", "vital_status", "radiation_treatment_adjuvant"}
    leaking |= {
        "PAM50Call_RNAseq",
        "PAM50_mRNA_nature2012",
        "Integrated_Clusters_with_PAM50__nature2012",
        "tumor_status",
    }
    columns = {name for path in (folder / "clinical").iterdir() for name in header(path)}
    refused = set(refuse(dict.fromkeys(columns)))
    assert leaking <= refused
    assert {name for name in columns if "nature2012" in name} <= refused


@pytest.mark.slow
@pytest.mark.parametrize(("inputs", "least", "most"), [("ihc", 0.85, 0.90), ("no_ihc", 0.62, 0.72)])
def test_logistic_regression_finds_the_known_signal_and_no_leak(folder, inputs, least, most):
    cases, labels = labelled(folder, inputs)
    assert len(labels) == 788
    scores = np.zeros((len(labels), len(CLASSES)))
    config = clinical.Config(inputs=inputs)
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(scores, labels):
        known, new = (cases.select([cases.case_ids[row] for row in rows]) for rows in (train, test))
        state = clinical.finalise(clinical.sums(known, config), config)
        model = LogisticRegression(C=0.05, max_iter=2000)
        model.fit(clinical.prepare(known, state, config).numpy(), labels[train])
        scores[test] = model.predict_proba(clinical.prepare(new, state, config).numpy())
    assert least < roc_auc_score(labels, scores, multi_class="ovr") < most


def labelled(folder, inputs):
    with (folder / "labels" / "pam50.csv").open(newline="") as file:
        label_of = {row["case_id"]: row["pam50"] for row in csv.DictReader(file)}
    cases = read(folder, inputs)
    kept = [case_id for case_id in cases.case_ids if label_of.get(case_id) in CLASSES]
    return cases.select(kept), np.array([CLASSES.index(label_of[case_id]) for case_id in kept])


def header(path):
    with path.open() as file:
        return file.readline().rstrip("\n").split("\t")
