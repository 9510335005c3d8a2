"""One cohort in every clinical format gives exactly the same cases, as far as the format has the fields."""

import numpy as np
import pytest

from modalities import clinical
from tests.modalities.clinical.formats import projects, records, tables
from tests.modalities.clinical.formats.cohort import ALL, RECEPTORS, TNM, cohort, config, expected

_REGISTRY = ("age", "menopause", *TNM, "nodes_examined", "nodes_positive", "histology", *RECEPTORS)
_GDC = ("age", *TNM, "grade", "nodes_examined", "nodes_positive", "histology")
_PORTAL = ("age", "menopause", *TNM, "grade", "nodes_positive", "histology", "er", "pr", "her2")

FORMATS = {
    "biotab": (tables.write_biotab, _REGISTRY),
    "xena": (tables.write_xena, _REGISTRY),
    "gdc": (tables.write_gdc, _GDC),
    "gdc with follow_up": (tables.write_gdc_with_tests, ALL),
    "cbioportal": (tables.write_cbioportal, _PORTAL),
    "cbioportal study": (tables.write_study, (*_REGISTRY, "grade")),
    "metabric": (tables.write_metabric, tuple(field for field in _PORTAL if field != "m")),
    "metabric study": (tables.write_metabric_study, tuple(field for field in _PORTAL if field != "m")),
    "own csv": (tables.write_own(",", "own.csv"), ALL),
    "own csv with dates": (tables.write_own(",", "own.csv", dates="%Y-%m-%d"), ALL),
    "own semicolons, decimal commas, ANSI, dd.mm.yyyy": (
        tables.write_own(";", "own.csv", "cp1252", comma=True, dates="%d.%m.%Y"),
        ALL,
    ),
    "own tabs, UTF-16, mm/dd/yyyy": (tables.write_own("\t", "own.txt", "utf-16", dates="%m/%d/%Y"), ALL),
    "own xlsx": (tables.write_xlsx, ALL),
    "omop csv": (records.write_omop(".csv"), ALL),
    "omop csv with the case list": (records.write_omop_with_list, ALL),
    "omop parquet": (records.write_omop(".parquet"), ALL),
    "fhir": (records.write_fhir, ALL),
    "redcap raw": (projects.write_redcap(is_label=False), ALL),
    "redcap labels": (projects.write_redcap(is_label=True), ALL),
}


@pytest.mark.parametrize("name", FORMATS)
def test_one_cohort_gives_the_same_cases_in_every_format(name, tmp_path):
    write, fields = FORMATS[name]
    patients = cohort()
    cases = clinical.read(write(tmp_path, patients), config())
    case_ids, values = expected(patients, fields)
    order = np.argsort(cases.case_ids)
    assert tuple(np.array(cases.case_ids)[order]) == case_ids
    np.testing.assert_array_equal(cases.values[order], values)


def test_the_cohort_has_every_field_and_every_state_of_it():
    _, values = expected(cohort(), ALL)
    known = np.isfinite(values).sum(axis=0)
    assert len(values) == 60
    assert (known >= 10).all()
    assert ((known < 60) | (np.nansum(values, axis=0) == 0)).any()
    assert sum(bool(patient.later_er) for patient in cohort()) >= 10
