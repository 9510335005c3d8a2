"""The made-up files: real formats, the same every time, a signal that can be learned and overlaps."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from modalities import clinical


def example(folder, n_cases=240, n_classes=4, seed=7):
    rng = np.random.default_rng(seed)
    classes = [case % n_classes for case in range(n_cases)]
    source = clinical.write_example(folder, [f"H1-{case:03d}" for case in range(n_cases)], classes, rng)
    return source, np.array(classes)


def auroc(features, classes):
    half = len(classes) // 2
    model = LogisticRegression(C=0.1, max_iter=500).fit(features[:half], classes[:half])
    return roc_auc_score(classes[half:], model.predict_proba(features[half:]), multi_class="ovr")


@pytest.mark.parametrize(("inputs", "least", "most"), [("ihc", 0.75, 0.97), ("no_ihc", 0.5, 0.75)])
def test_classes_can_be_learned_and_overlap(tmp_path, inputs, least, most):
    source, classes = example(tmp_path)
    config = clinical.Config(inputs=inputs)
    cases = clinical.read(source, config)
    state = clinical.finalise(clinical.sums(cases, config), config)
    assert least < auroc(clinical.prepare(cases, state, config).numpy(), classes) < most


def test_files_have_the_formats_of_gdc_and_cbioportal_and_leak_on_purpose(tmp_path):
    biotab, export = example(tmp_path, n_cases=11)[0].paths
    rows = [line.split("\t") for line in biotab.read_text().splitlines()]
    assert biotab.name == "nationwidechildrens.org_clinical_patient_brca.txt"
    assert [row[1] for row in rows[:3]] == ["bcr_patient_barcode", "bcr_patient_barcode", "CDE_ID:2673794"]
    assert len(rows) == 3 + 11
    assert {"Subtype", "Buffa Hypoxia Score", "Fraction Genome Altered"} <= set(
        export.read_text().split("\n")[0].split("\t")
    )


def test_both_files_are_used_and_agree(tmp_path):
    notes = clinical.read(example(tmp_path)[0], clinical.Config()).notes
    assert notes["biotab: rows used"] == 240
    assert 180 < notes["cbioportal: rows used"] < 240
    assert notes["conflicts between files"] == 0


def test_some_values_are_missing(tmp_path):
    values = clinical.read(example(tmp_path)[0], clinical.Config()).values
    assert 0 < np.isnan(values[:, 0]).sum() < 12  # age, where both files lack it


def test_same_seed_writes_the_same_bytes(tmp_path):
    first, second = example(tmp_path / "a")[0], example(tmp_path / "b")[0]
    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in second.paths]


@pytest.mark.parametrize("n_classes", [1, 2, 7])
def test_any_number_of_classes_can_be_written(tmp_path, n_classes):
    source, _ = example(tmp_path, n_cases=15, n_classes=n_classes)
    assert len(clinical.read(source, clinical.Config()).case_ids) == 15
