"""Every table format that Tessera reads: how to write a valid file, read it, and account for its rows.

A new format is one more entry of FORMATS. A plug-in without an entry is fuzzed by what its `write_example` writes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from omegaconf import OmegaConf

from modalities import clinical, table
from modalities.clinical.readers import study
from modalities.core.contract import Cases, Source
from modalities.core.registry import plugin, plugins
from modalities.core.settings.federation import Task, federation_from, load_federation
from modalities.core.settings.site import read_site_config
from modalities.core.site.cases import open_site
from modalities.slides.reading.manifest import listed_files
from tests.fuzz.format import Format
from tests.fuzz.rows import rows_in
from tests.fuzz.segments import SEGMENTS
from tests.fuzz.spreadsheets import WAYS, as_saved

CASE_IDS = ("TCGA-AA-0001", "TCGA-AA-0002", "TCGA-BB-0003", "p4", "p5")
CLASSES = (0, 1, 2, 3, 0)


def example(kind: str, folder: Path) -> Source:
    return plugin(kind).write_example(folder, CASE_IDS, CLASSES, np.random.default_rng(5))


# ---- clinical
_KINDS_OF_ROWS = (": rows used", ": rows that are no primary tumour", ": rows repeated")
_MAPPING = {"case_id": "MRN", "age": "years", "er": "ER", "t": "pT"}
_GDC = """\
cases.case_id\tcases.submitter_id\tdemographic.age_at_index\tdiagnoses.diagnosis_id\tdiagnoses.ajcc_pathologic_t\t\
diagnoses.classification_of_tumor\tdiagnoses.morphology\ttreatments.treatment_type
u1\tTCGA-AA-0001\t61\td1\tT2\tprimary\t8500/3\tChemotherapy
u1\tTCGA-AA-0001\t61\td1\tT2\tprimary\t8500/3\tRadiation Therapy, NOS
u1\tTCGA-AA-0001\t61\td2\t'--\tmetastasis\t'--\t'--
u2\tTCGA-AA-0002\t'--\td3\tT1c\tnot reported\t8520/3\t'--
"""
_OLD_GDC = """\
case_id\tcase_submitter_id\tproject_id\tage_at_diagnosis\tajcc_pathologic_stage\tprimary_diagnosis\ttreatment_type
u1\tTCGA-AA-0001\tTCGA-BRCA\t22281\tStage IIA\tLobular carcinoma, NOS\tChemotherapy
u2\tTCGA-AA-0002\tTCGA-BRCA\t'--\tStage I\tInfiltrating duct carcinoma, NOS\t'--
"""
_XENA = """\
sampleID\t_PATIENT\tage_at_initial_pathologic_diagnosis\tpathologic_T\tbreast_carcinoma_estrogen_receptor_status
TCGA-AA-0001-01\tTCGA-AA-0001\t55\tT2\tPositive
TCGA-AA-0001-11\tTCGA-AA-0001\t55\t\t
TCGA-AA-0002-01\tTCGA-AA-0002\t48\tT1c\tNegative
"""
_PATIENTS = """\
#Patient Identifier\tDiagnosis Age\tSubtype\tTumor Stage Code
#Identifier to uniquely specify a patient.\tAge\tSubtype\tT
#STRING\tNUMBER\tSTRING\tSTRING
#1\t1\t1\t1
PATIENT_ID\tAGE\tSUBTYPE\tPATH_T_STAGE
TCGA-AA-0001\t55\tBRCA_LumA\tT2
TCGA-AA-0002\t48\tBRCA_Basal\tTX
"""
_SAMPLES = """\
#Patient Identifier\tSample Identifier\tER Status By IHC\tSample Type
#Identifier\tSample\tER\tType
#STRING\tSTRING\tSTRING\tSTRING
#1\t1\t1\t1
PATIENT_ID\tSAMPLE_ID\tER_STATUS_BY_IHC\tSAMPLE_TYPE
TCGA-AA-0001\tTCGA-AA-0001-01\tPositive\tPrimary
TCGA-AA-0002\tTCGA-AA-0002-06\tNegative\tMetastasis
P-3\tS-3\tNegative\tPrimary
"""


def _clinical(write: Callable[[Path], Path], header_rows: int = 1, columns: Mapping[str, str] = {}, delimiter="\t"):
    def read(path: Path) -> Cases:
        return clinical.read(Source((path,), "auto", columns), clinical.Config())

    def unaccounted(path: Path, cases: Cases) -> Mapping[str, int]:
        used = sum(count for what, count in cases.notes.items() if what.endswith(_KINDS_OF_ROWS))
        n_rows = -header_rows
        for own in [path, *study.with_the_other([path])[1:]]:
            rows = rows_in(own)
            above = next((n for n, row in enumerate(rows) if not row or not row[0].startswith("#")), 0)
            n_rows += len(rows) - above - (own != path)
        known = len(cases.case_ids) + cases.notes["cases of which nothing is known"]
        both = len([own for own in study.with_the_other([path]) if own.exists()]) > 1
        of_cases = 0 if both else sum(n for what, n in cases.notes.items() if what.endswith("rows used")) - known
        return {"rows": n_rows - used, "cases": of_cases}

    return Format(write, read, delimiter, unaccounted)


def _text(name: str, text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text(text, encoding="utf-8")
        return folder / name

    return write


def _of_example(kind: str, number: int) -> Callable[[Path], Path]:
    return lambda folder: example(kind, folder).paths[number]


def _beside(name: str, text: str, other: str, other_text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        _text(other, other_text)(folder)
        return _text(name, text)(folder)

    return write


# ---- cnv
_BESIDE = ("Hugo_Symbol", "Entrez_Gene_Id", "Gene Symbol", "sample", "Locus ID", "Gene ID", "Cytoband")
_XENA_MATRIX = """\
Gene Symbol\tTCGA-AA-0001-01\tTCGA-AA-0001-11\tTCGA-AA-0002-01
MYC\t1\t0\t-1
TP53\t-1\t0\t2
TP53\t0\t0\t0
"""
_GENES = """\
gene_id\tgene_name\tchromosome\tstart\tend\tcopy_number\tmin_copy_number\tmax_copy_number
ENSG1.1\tMYC\tchr8\t127735434\t127742951\t4\t4\t4
ENSG2.1\tTP53\tchr17\t7661779\t7687538\t2\t2\t2
ENSG3.1\tESR1\tchr6\t151656691\t152129619\t2\t2\t2
ENSG4.1\tXIST\tchrX\t73820651\t73852753\t\t\t
ENSG5.1\tTP53\tchr17\t7661779\t7687538\t2\t2\t2
"""
_SEGMENTS = """\
GDC_Aliquot\tChromosome\tStart\tEnd\tNum_Probes\tSegment_Mean
a-1\t1\t3301765\t120000000\t60000\t0.0123
a-1\t1\t145000000\t247650984\t50000\t0.4
a-1\t17\t1100000\t22000000\t9000\t-0.61
a-1\tX\t3236359\t155677414\t60000\t0.01
"""


def _aliquot(name: str, text: str, values: str) -> Format:
    """A file of one aliquot; of segments, which become means over arms, no row is told from another."""

    def read(path: Path) -> Cases:
        return plugin("cnv").read(Source((path,)), plugin("cnv").Config(values=values, arms_from="log2"))

    def unaccounted(path: Path, cases: Cases) -> Mapping[str, int]:
        if values == "arms":
            return {"cases": 1 - len(cases.case_ids)}
        return {"genes": len(rows_in(path)) - 1 - len(cases.features) - cases.notes["genes listed twice"]}

    return Format(_text(name, text), read, "\t", unaccounted)


def _matrix(name: str, values: str, text: str = "") -> Format:
    def read(path: Path) -> Cases:
        return plugin("cnv").read(Source((path,)), plugin("cnv").Config(values=values))

    def unaccounted(path: Path, cases: Cases) -> Mapping[str, int]:
        rows = rows_in(path)
        n_samples = sum(column not in _BESIDE for column in rows[0])
        return {
            "samples": n_samples - len(cases.case_ids) - cases.notes["samples that are no primary tumour"],
            "genes": len(rows) - 1 - len(cases.features) - cases.notes["genes listed twice"],
        }

    write = _text(name, text) if text else lambda folder: example("cnv", folder).paths[0] / name
    return Format(write, read, "\t", unaccounted)


# ---- table
def _table(name: str, delimiter: str | None) -> Format:
    def write(folder: Path) -> Path:
        frame = pd.read_csv(example("table", folder).paths[0]).iloc[:, :4]
        path = folder / name
        if name.endswith(".parquet"):
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False, sep=delimiter or ",", compression="infer")
        return path

    def unaccounted(path: Path, cases: Cases) -> Mapping[str, int]:
        is_parquet = path.suffix == ".parquet"
        n_rows = pyarrow.parquet.read_metadata(path).num_rows if is_parquet else len(rows_in(path)) - 1
        return {"rows": n_rows - len(cases.case_ids) - cases.notes["samples that are no primary tumour"]}

    return Format(write, lambda path: table.read(Source((path,)), table.Config()), delimiter, unaccounted)


# ---- a site's and a study's own files
_TASK = Task(classes=["A", "B"], drop=["X"])
_SITE = """\
name: north
cases: cases.csv
sources:
  hif: {paths: [hif.csv], format: auto, columns: {case_id: MRN}}
policy:
  modalities: [hif]
  min_cohort: 10
"""


def _write_cases(folder: Path) -> Path:
    (folder / "site.yaml").write_text("name: north\n", encoding="utf-8")
    return _text("cases.csv", "case_id,label,split\np1,A,train\np2,B,\np3,,test\np4,X,train\n")(folder)


def _write_federation(folder: Path) -> Path:
    settings = federation_from({"seed": 3, "modalities": {"hif": {"features": ["a", "b"]}}}).to_dict()
    OmegaConf.save(settings, folder / "federation.yaml")
    return folder / "federation.yaml"


def _unread_cases(path: Path, site: Any) -> Mapping[str, int]:
    return {"rows": len(rows_in(path)) - 1 - len(site.cases)}


def _write_slides(folder: Path) -> Path:
    for number in range(3):
        (folder / f"S{number}.svs").write_bytes(b"")
    return _text("slides.csv", "case_id,slide,mpp\np1,S0,0.25\np1,S1.svs,\np2,S2,0.5\n")(folder)


def _unlisted_slides(path: Path, listed: Any) -> Mapping[str, int]:
    return {"rows": len(rows_in(path)) - 1 - sum(not entry.left_out.startswith("not in") for entry in listed)}


FORMATS: dict[str, Format] = {
    "clinical biotab": _clinical(_of_example("clinical", 0), header_rows=3),
    "clinical cbioportal": _clinical(_of_example("clinical", 1)),
    "clinical gdc": _clinical(_text("clinical.tsv", _GDC)),
    "clinical gdc before 2024": _clinical(_text("clinical.tsv", _OLD_GDC)),
    "clinical xena": _clinical(_text("BRCA_clinicalMatrix.tsv", _XENA)),
    "clinical study patients": _clinical(_text(study.PATIENTS, _PATIENTS)),
    "clinical study samples": _clinical(_text(study.SAMPLES, _SAMPLES)),
    "clinical study both": _clinical(_beside(study.PATIENTS, _PATIENTS, study.SAMPLES, _SAMPLES)),
    "clinical mapped": _clinical(
        _text("own.csv", "MRN,years,ER,pT\nP-1,61,pos,T2\nP-2,,neg.,TX\n"), columns=_MAPPING, delimiter=","
    ),
    "cnv calls": _matrix("data_cna.txt", "calls"),
    "cnv log2": _matrix("data_log2_cna.txt", "log2"),
    "cnv xena": _matrix("Gistic2_CopyNumber_Gistic2_all_thresholded.by_genes", "calls", _XENA_MATRIX),
    "cnv gdc genes": _aliquot("TCGA-AA-0001-01A.gene_level_copy_number.v36.tsv", _GENES, "calls"),
    "cnv gdc segments": _aliquot("TCGA-AA-0001-01A.nocnv_grch38.seg.v2.txt", _SEGMENTS, "arms"),
    **SEGMENTS,
    "table csv": _table("t.csv", ","),
    "table tsv.gz": _table("t.tsv.gz", "\t"),
    "table parquet": _table("t.parquet", None),
    "cases.csv": Format(_write_cases, lambda path: open_site(path.parent, _TASK), ",", _unread_cases),
    "slides.csv": Format(_write_slides, lambda path: listed_files(Source((path.parent,))), ",", _unlisted_slides),
    "site.yaml": Format(_text("site.yaml", _SITE), read_site_config, None),
    "federation.yaml": Format(_write_federation, load_federation, None),
}


_SAVED = ("clinical mapped", "cnv log2", "table csv", "cases.csv", "slides.csv")
FORMATS |= {f"{name}, {way}": as_saved(FORMATS[name], way) for name in _SAVED for way in WAYS}


def _by_example(kind: str) -> Format:
    """What a plug-in's example writes as text: its reader either reads it or says what is wrong."""
    sources: dict[Path, Source] = {}

    def write(folder: Path) -> Path:
        source = example(kind, folder)
        inside = [[path] if path.is_file() else sorted(path.rglob("*")) for path in source.paths]
        files = [file for files in inside for file in files if file.suffix in (".txt", ".tsv", ".csv", ".json")]
        if not files:
            pytest.skip(f"the example of {kind} has no text file")
        sources[files[0]] = source
        return files[0]

    return Format(write, lambda path: plugin(kind).read(sources[path], plugin(kind).Config(kind=kind)))


FORMATS |= {
    f"{kind} example": _by_example(kind) for kind in plugins() if kind not in {name.split()[0] for name in FORMATS}
}
