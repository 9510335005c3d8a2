"""The cohort as tables: of the GDC, Xena and cBioPortal, METABRIC's, and a hospital's own."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import openpyxl

from modalities.clinical.readers import biotab, cbioportal, gdc, study, xena
from modalities.core.contract import IndexDate, Source
from tests.modalities.clinical.formats.cohort import STAGES, Patient

_STATES = {"positive": "Positive", "negative": "Negative", "equivocal": "Equivocal", "indeterminate": "Indeterminate"}
_MENOPAUSE = {"pre": "Pre (<6 months since LMP)", "post": "Post (>12 mo since LMP)"}
_MILLIMETRES = {1.0: "15", 2.0: "35", 3.0: "60"}


def words(patient: Patient, field: str) -> str:
    """A field as the registries write it, "" where missing."""
    value = patient.record.get(field)
    if value is None:
        return ""
    if field == "histology":
        return patient.morphology
    if field in ("t", "n", "m"):
        return f"{field.upper()}{value:g}"
    if field == "stage":
        return f"Stage {STAGES[int(float(value))]}"
    if field == "grade":
        return f"G{value:g}"
    if field.endswith("_percent"):
        return f"{value:g}"
    if field == "menopause":
        return _MENOPAUSE[str(value)]
    return _STATES.get(str(value), patient.word(field)) if isinstance(value, str) else patient.number(field)


def _text(rows: Sequence[Sequence[str]], delimiter: str = "\t") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _of_layout(
    patients: Sequence[Patient],
    columns: Mapping[str, Sequence[str]],
    own: Callable[[Patient], Mapping[str, str]],
    missing: str,
) -> list[list[str]]:
    """A header and a row a patient, of the layout's first column for each field."""
    first = {field: names[0] for field, names in columns.items()}
    header = [*own(patients[0]), *first.values()]
    body = [[*own(patient).values(), *(words(patient, field) or missing for field in first)] for patient in patients]
    return [header, *body]


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def write_biotab(folder: Path, patients: Sequence[Patient]) -> Source:
    rows = _of_layout(
        patients,
        biotab.LAYOUT.columns,
        lambda patient: {"bcr_patient_uuid": "made-up", "bcr_patient_barcode": patient.case_id},
        "[Not Available]",
    )
    path = folder / "clinical_patient_brca.txt"
    path.write_text(_text([rows[0], rows[0], ["CDE_ID:"] * len(rows[0]), *rows[1:]]), encoding="utf-8")
    return Source((path,))


def write_xena(folder: Path, patients: Sequence[Patient]) -> Source:
    rows = _of_layout(patients, xena.LAYOUT.columns, lambda p: {"sampleID": p.case_id, "_PATIENT": p.case_id}, "")
    path = folder / "BRCA_clinicalMatrix.tsv"
    path.write_text(_text(rows), encoding="utf-8")
    return Source((path,))


def write_gdc(folder: Path, patients: Sequence[Patient]) -> Source:
    layout = gdc.LAYOUTS[0]
    rows = _of_layout(
        patients,
        layout.columns,
        lambda p: {
            "cases.submitter_id": p.case_id,
            "diagnoses.diagnosis_id": "d",
            "treatments.treatment_type": "Surgery",
        },
        "'--",
    )
    path = folder / "clinical.tsv"
    again = [[*row[:2], "Chemotherapy", *row[3:]] for row in rows[1::4]]
    path.write_text(_text([*rows, *again]), encoding="utf-8")
    return Source((path,))


_TEST = ("gene_symbol", "molecular_analysis_method", "test_result", "test_value_range", "staining_intensity_value")


def write_gdc_with_tests(folder: Path, patients: Sequence[Patient]) -> Source:
    header = ["cases.submitter_id", "follow_ups.follow_up_id", "other_clinical_attributes.menopause_status"]
    header += [f"molecular_tests.{name}" for name in (*_TEST, "days_to_test")]
    rows = [header]
    for patient in patients:
        said = {field: words(patient, field) for field in ("er", "pr", "her2_ihc", "her2_ish", "her2_ihc_score")}
        percent = {field: words(patient, field) for field in ("er_percent", "pr_percent", "ki67_percent")}
        tests = [
            ("ESR1", "IHC", said["er"], percent["er_percent"], "", "3"),
            ("PGR", "IHC", said["pr"], percent["pr_percent"], "", "3"),
            ("ERBB2", "IHC", said["her2_ihc"], "", said["her2_ihc_score"], "3"),
            ("ERBB2", "FISH", said["her2_ish"], "", "", "20"),
            ("MKI67", "IHC", "", percent["ki67_percent"], "", "3"),
            ("TP53", "Sequencing, NOS", "Positive", "", "", "3"),
        ]
        tests += [("ESR1", "IHC", patient.later_er.capitalize(), "", "", "700")] * bool(patient.later_er)
        rows += [[patient.case_id, "f", "", *test] for test in tests]
        rows.append([patient.case_id, "f", words(patient, "menopause"), *[""] * 6])
    path = folder / "follow_up.tsv"
    path.write_text(_text([[cell or "'--" for cell in row] for row in rows]), encoding="utf-8")
    return Source((*write_gdc(folder, patients).paths, path), index=IndexDate(date="diagnosis"))


def write_cbioportal(folder: Path, patients: Sequence[Patient]) -> Source:
    def own(patient: Patient) -> dict[str, str]:
        ids = {"Study ID": "made_up", "Patient ID": patient.case_id, "Sample ID": f"{patient.case_id}-s"}
        return {**ids, "Sample Type": "Primary"}

    path = folder / "made_up_clinical_data.tsv"
    path.write_text(_text(_with_her2(patients, cbioportal.LAYOUT.columns, own, "NA")), encoding="utf-8")
    return Source((path,))


def write_study(folder: Path, patients: Sequence[Patient]) -> Source:
    of_samples = ("grade", "er", "pr", "er_percent", "pr_percent", "her2_ihc", "her2_ish", "her2_ihc_score")
    columns = {field: names for field, names in study.PATIENT_LAYOUT.columns.items() if field != "her2"}
    halves = {
        study.PATIENTS: ({field: names for field, names in columns.items() if field not in of_samples}, ()),
        study.SAMPLES: ({field: columns[field] for field in of_samples}, ("SAMPLE_ID",)),
    }
    for name, (held, more) in halves.items():
        rows = _of_layout(
            patients, held, lambda p, more=more: {"PATIENT_ID": p.case_id} | dict.fromkeys(more, p.case_id), ""
        )
        above = [f"#{kind}" + "\t" * (len(rows[0]) - 1) for kind in ("Names", "Descriptions", "STRING", "1")]
        (folder / name).write_text("\n".join(above) + "\n" + _text(rows), encoding="utf-8")
    return Source((folder / study.PATIENTS,))


def _with_her2(patients, columns, own, missing):
    """Rows with the overall HER2 status, which these formats have in the place of its tests."""
    rows = _of_layout(patients, columns, own, missing)
    at = rows[0].index(columns["her2"][0])
    for row, patient in zip(rows[1:], patients, strict=True):
        row[at] = _STATES.get(str(overall_her2(patient)), missing)
    return rows


def overall_her2(patient: Patient) -> str:
    """By ASCO/CAP, written out: a clear ISH result, a clear IHC status, a clear score, else what is left open."""
    clear = ("positive", "negative")
    score = {"0": "negative", "1+": "negative", "2+": "equivocal", "3+": "positive"}.get(
        patient.word("her2_ihc_score"), ""
    )
    said = [patient.word("her2_ish"), patient.word("her2_ihc"), score]
    return next(
        (state for state in said if state in clear), next((state for state in (said[1], said[0], said[2]) if state), "")
    )


_METABRIC = {
    "age": ("Age at Diagnosis",),
    "menopause": ("Inferred Menopausal State",),
    "stage": ("Tumor Stage",),
    "grade": ("Neoplasm Histologic Grade",),
    "nodes_positive": ("Lymph nodes examined positive",),
    "histology": ("Tumor Other Histologic Subtype",),
    "er": ("ER status measured by IHC",),
    "pr": ("PR Status",),
    "her2": ("HER2 Status",),
}
_METABRIC_STUDY = {
    "age": ("AGE_AT_DIAGNOSIS",),
    "menopause": ("INFERRED_MENOPAUSAL_STATE",),
    "stage": ("TUMOR_STAGE",),
    "grade": ("GRADE",),
    "nodes_positive": ("LYMPH_NODES_EXAMINED_POSITIVE",),
    "histology": ("HISTOLOGICAL_SUBTYPE",),
    "er": ("ER_IHC",),
    "pr": ("PR_STATUS",),
    "her2": ("HER2_STATUS",),
}
_METABRIC_TYPES = {"ductal": "Ductal/NST", "lobular": "Lobular", "mixed": "Mixed", "mucinous": "Mucinous"}


def _as_metabric(patients, columns, own, size):
    rows = _with_her2(patients, columns, own, "NA")
    at = {field: rows[0].index(names[0]) for field, names in columns.items()}
    rows[0].append(size)
    for row, patient in zip(rows[1:], patients, strict=True):
        row[at["histology"]] = _METABRIC_TYPES.get(patient.word("histology"), "NA")
        row[at["er"]] = "Positve" if row[at["er"]] == "Positive" else row[at["er"]]
        row[at["stage"]], row[at["grade"]] = (patient.number(field) or "NA" for field in ("stage", "grade"))
        row.append(_MILLIMETRES.get(patient.record.get("t"), "NA"))
    return rows


def write_metabric(folder: Path, patients: Sequence[Patient]) -> Source:
    def own(patient: Patient) -> dict[str, str]:
        return {"Study ID": "brca_metabric", "Patient ID": patient.case_id, "Sample ID": patient.case_id}

    path = folder / "brca_metabric_clinical_data.tsv"
    path.write_text(_text(_as_metabric(patients, _METABRIC, own, "Tumor Size")), encoding="utf-8")
    return Source((path,))


def write_metabric_study(folder: Path, patients: Sequence[Patient]) -> Source:
    def own(patient: Patient) -> dict[str, str]:
        return {"PATIENT_ID": patient.case_id, "SAMPLE_ID": patient.case_id, "INTCLUST": "NA"}

    rows = _as_metabric(patients, _METABRIC_STUDY, own, "TUMOR_SIZE")
    of_samples = {"SAMPLE_ID", "GRADE", "TUMOR_STAGE", "TUMOR_SIZE", "ER_IHC", "PR_STATUS", "HER2_STATUS"}
    for name, is_sample in ((study.PATIENTS, False), (study.SAMPLES, True)):
        kept = [n for n, column in enumerate(rows[0]) if column == "PATIENT_ID" or (column in of_samples) == is_sample]
        held = [[row[n] for n in kept] for row in rows]
        above = [f"#{kind}" + "\t" * (len(kept) - 1) for kind in ("Names", "Descriptions", "STRING", "1")]
        (folder / name).write_text("\n".join(above) + "\n" + _text(held), encoding="utf-8")
    return Source((folder / study.SAMPLES,))


OWN = {
    "case_id": "Fallnummer",
    **{"t": "pT", "n": "pN", "m": "M", "stage": "UICC", "grade": "Grading", "nodes_examined": "LK entfernt"},
    **{"nodes_positive": "LK befallen", "histology": "ICD-O", "er": "ER", "pr": "PgR", "er_percent": "ER %"},
    **{"pr_percent": "PgR %", "her2_ihc": "Her2 IHC", "her2_ish": "Her2 FISH", "her2_ihc_score": "Her2 Score"},
    **{"ki67_percent": "Ki-67", "menopause": "Menopause", "age": "Alter"},
}
_WITH_DATES = {**{f: c for f, c in OWN.items() if f != "age"}, "birth_date": "geb.", "diagnosis_date": "ED"}


def own_rows(patients: Sequence[Patient], columns: Mapping[str, str], day: str = "%Y-%m-%d") -> list[list[str]]:
    rows = [list(columns.values())]
    for patient in patients:
        dates = {"birth_date": patient.born, "diagnosis_date": patient.diagnosed}
        cells = {"case_id": patient.case_id} | {
            name: date.strftime(day) if date else "" for name, date in dates.items()
        }
        rows.append([cells[name] if name in cells else words(patient, name) for name in columns])
    return rows


def write_own(delimiter: str, name: str, encoding: str = "utf-8", comma: bool = False, dates: str = ""):
    """A hospital's own table, with a decimal comma perhaps, and with dates in the place of the age."""
    columns = _WITH_DATES if dates else OWN

    def write(folder: Path, patients: Sequence[Patient]) -> Source:
        rows = own_rows(patients, columns, dates or "%Y-%m-%d")
        if comma:
            at = rows[0].index("Ki-67")
            rows = [[*row[:at], row[at].replace(".", ","), *row[at + 1 :]] for row in rows]
        path = folder / name
        path.write_bytes(_text(rows, delimiter).encode(encoding))
        return Source((path,), columns=columns)

    return write


def write_xlsx(folder: Path, patients: Sequence[Patient]) -> Source:
    book = openpyxl.Workbook()
    sheet = book.active
    for number, row in enumerate(own_rows(patients, _WITH_DATES)):
        dates = (
            {len(row) - 2: patients[number - 1].born, len(row) - 1: patients[number - 1].diagnosed} if number else {}
        )
        sheet.append([dates.get(at) if at in dates else _as_number(cell) for at, cell in enumerate(row)])
    path = folder / "clinic.xlsx"
    book.save(path)
    return Source((path,), columns=_WITH_DATES)


def _as_number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell
