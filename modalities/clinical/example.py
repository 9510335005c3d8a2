"""Writes small made-up clinical files in the formats of GDC and cBioPortal."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from modalities.core.contract import Source

_BIOTAB = "nationwidechildrens.org_clinical_patient_brca.txt"
_CBIOPORTAL = "brca_tcga_pan_can_atlas_2018_clinical_data.tsv"
_MISSING_SHARE = 0.08
_NOT_AVAILABLE = "[Not Available]"

# Column, its name in the XML, its CDE id: as GDC heads the file.
_HEADER = (
    ("bcr_patient_uuid", "bcr_patient_uuid", "CDE_ID:"),
    ("bcr_patient_barcode", "bcr_patient_barcode", "CDE_ID:2673794"),
    ("menopause_status", "menopause_status", "CDE_ID:2957270"),
    ("vital_status", "vital_status", "CDE_ID:5"),
    ("age_at_diagnosis", "age_at_initial_pathologic_diagnosis", "CDE_ID:2006657"),
    ("lymph_nodes_examined", "lymph_node_examined_count", "CDE_ID:3"),
    ("lymph_nodes_examined_he_count", "number_of_lymphnodes_positive_by_he", "CDE_ID:3086388"),
    ("ajcc_tumor_pathologic_pt", "pathologic_T", "CDE_ID:3045435"),
    ("ajcc_nodes_pathologic_pn", "pathologic_N", "CDE_ID:3203106"),
    ("ajcc_metastasis_pathologic_pm", "pathologic_M", "CDE_ID:3045439"),
    ("ajcc_pathologic_tumor_stage", "pathologic_stage", "CDE_ID:3203222"),
    ("er_status_by_ihc", "breast_carcinoma_estrogen_receptor_status", "CDE_ID:2957359"),
    ("er_status_ihc_Percent_Positive", "er_level_cell_percentage_category", "CDE_ID:3128341"),
    ("pr_status_by_ihc", "breast_carcinoma_progesterone_receptor_status", "CDE_ID:2957357"),
    ("pr_status_ihc_percent_positive", "progesterone_receptor_level_cell_percent_category", "CDE_ID:3128342"),
    ("her2_status_by_ihc", "lab_proc_her2_neu_immunohistochemistry_receptor_status", "CDE_ID:2957563"),
    ("her2_ihc_score", "her2_immunohistochemistry_level_result", "CDE_ID:2178402"),
    ("her2_fish_status", "lab_procedure_her2_neu_in_situ_hybrid_outcome_type", "CDE_ID:2854089"),
    ("icd_o_3_histology", "icd_o_3_histology", "CDE_ID:3226275"),
)
# Half of cBioPortal's columns leak; they are written so that whoever reads the example must ignore them.
_EXPORT = (
    "Study ID",
    "Patient ID",
    "Sample ID",
    "Diagnosis Age",
    "Neoplasm Disease Stage American Joint Committee on Cancer Code",
    "Buffa Hypoxia Score",
    "Fraction Genome Altered",
    "International Classification of Diseases for Oncology, Third Edition ICD-O-3 Histology Code",
    "Overall Survival Status",
    "American Joint Committee on Cancer Tumor Stage Code",
    "Radiation Therapy",
    "Sample Type",
    "Subtype",
)
# Chance of ER+, PR+, HER2+ and lobular type, and mean age, of classes like luminal A, luminal B, basal, HER2-enriched.
_PROFILES = (
    (0.95, 0.88, 0.10, 0.30, 60.0),
    (0.92, 0.62, 0.25, 0.08, 57.0),
    (0.15, 0.10, 0.08, 0.03, 53.0),
    (0.40, 0.28, 0.75, 0.06, 56.0),
)


def write_example(folder: Path, case_ids: Sequence[str], classes: Sequence[int], rng: np.random.Generator) -> Source:
    """A GDC biotab of the cases and a cBioPortal export of most of them; receptors, age and histology carry the class.

    Class c is like class c - 4, but twelve years older. Some values are missing, in each file on its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    patients = [_patient(label, rng) for label in classes]
    biotab: list[list[str]] = [list(row) for row in zip(*_HEADER, strict=True)]
    export: list[list[str]] = [list(_EXPORT)]
    for number, (case_id, label, patient) in enumerate(zip(case_ids, classes, patients, strict=True)):
        own = {"bcr_patient_uuid": f"made-up-{number:04d}", "bcr_patient_barcode": case_id, "vital_status": "Alive"}
        biotab.append([own.get(name) or _or_missing(patient[name], _NOT_AVAILABLE, rng) for name, _, _ in _HEADER])
        if rng.random() < 0.9:
            export.append(_exported(case_id, label, patient, rng))
    _write(folder / _BIOTAB, biotab)
    _write(folder / _CBIOPORTAL, export)
    return Source((folder / _BIOTAB, folder / _CBIOPORTAL))


def _patient(label: int, rng: np.random.Generator) -> Mapping[str, str]:
    """One made-up patient's columns of the biotab, all filled in."""
    er, pr, her2, lobular, mean_age = _PROFILES[label % len(_PROFILES)]
    age = int(np.clip(rng.normal(mean_age + 12 * (label // len(_PROFILES)), 11), 27, 90))
    is_er, is_pr, is_her2 = (rng.random() < chance for chance in (er, pr, her2))
    examined = int(rng.integers(1, 25))
    positive = int(min(rng.poisson(1.5), examined))
    score = str(rng.choice(["2+", "3+"] if is_her2 else ["0", "1+", "2+"]))
    status = {"0": "Negative", "1+": "Negative", "2+": "Equivocal", "3+": "Positive"}[score]
    size = int(rng.choice([1, 2, 3], p=[0.3, 0.55, 0.15]))
    return {
        "menopause_status": "Post (prior bilateral ovariectomy OR >12 mo since LMP with no prior hysterectomy)"
        if age > 51
        else "Pre (<6 months since LMP AND no prior bilateral ovariectomy AND not on estrogen replacement)",
        "age_at_diagnosis": str(age),
        "lymph_nodes_examined": str(examined),
        "lymph_nodes_examined_he_count": str(positive),
        "ajcc_tumor_pathologic_pt": f"T{size}",
        "ajcc_nodes_pathologic_pn": "N0 (i-)" if positive == 0 else "N1a" if positive < 4 else "N2a",
        "ajcc_metastasis_pathologic_pm": str(rng.choice(["M0", "MX"], p=[0.85, 0.15])),
        "ajcc_pathologic_tumor_stage": "Stage IIIA" if positive > 3 else "Stage IIA" if size > 1 else "Stage IA",
        "er_status_by_ihc": "Positive" if is_er else "Negative",
        "er_status_ihc_Percent_Positive": _percent(is_er, rng),
        "pr_status_by_ihc": "Positive" if is_pr else "Negative",
        "pr_status_ihc_percent_positive": _percent(is_pr, rng),
        "her2_status_by_ihc": status,
        "her2_ihc_score": score,
        "her2_fish_status": ("Positive" if is_her2 else "Negative") if score == "2+" else "[Not Evaluated]",
        "icd_o_3_histology": "8520/3" if rng.random() < lobular else "8500/3",
    }


def _percent(is_positive: bool, rng: np.random.Generator) -> str:
    return str(rng.choice(["70-79%", "80-89%", "90-99%"])) if is_positive else "<10%"


def _exported(case_id: str, label: int, patient: Mapping[str, str], rng: np.random.Generator) -> list[str]:
    """The patient's row of the cBioPortal export, leaking columns included."""
    row = {
        "Study ID": "brca_tcga_pan_can_atlas_2018",
        "Patient ID": case_id,
        "Sample ID": f"{case_id}-01",
        "Diagnosis Age": patient["age_at_diagnosis"],
        _EXPORT[4]: patient["ajcc_pathologic_tumor_stage"].upper(),
        "Buffa Hypoxia Score": str(10 * label - 20),
        "Fraction Genome Altered": f"{0.1 + 0.15 * label:.4f}",
        _EXPORT[7]: patient["icd_o_3_histology"],
        "Overall Survival Status": "0:LIVING",
        _EXPORT[9]: patient["ajcc_tumor_pathologic_pt"],
        "Radiation Therapy": "Yes" if label % 2 else "No",
        "Sample Type": "Primary",
        "Subtype": f"BRCA_{label}",
    }
    kept = ("Study ID", "Patient ID", "Sample ID", "Sample Type")
    return [row[name] if name in kept else _or_missing(row[name], "NA", rng) for name in _EXPORT]


def _or_missing(value: str, missing: str, rng: np.random.Generator) -> str:
    return missing if rng.random() < _MISSING_SHARE else value


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n", encoding="utf-8")
