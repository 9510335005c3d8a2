"""GDC's `follow_up.tsv`: a row a follow-up and molecular test; the home of the receptors in newer releases.

A test is told by its gene and method: ESR1 and PGR by immunohistochemistry are ER and PR, ERBB2 by it or by in-situ
hybridisation is HER2; `test_result` is the status, `test_value_range` (else `test_value` in percent) the stained
nuclei, `staining_intensity_value` HER2's score. Tests at a recurrence or metastasis are left out. Days are counted from
`days_to_test`, whose index date is the diagnosis.

Older releases have the tests in a table of their own, `molecular_test.tsv`, whose columns bear no prefix.

Source: https://docs.gdc.cancer.gov/Data_Dictionary/viewer/ (molecular_test, follow_up, other_clinical_attribute).
"""

from collections.abc import Iterator, Mapping

from modalities.clinical.harmonise import File, Place
from modalities.clinical.readers.events import Event, event_file
from modalities.clinical.readers.layout import Layout, Row
from modalities.clinical.values import is_missing

NAME = "gdc_follow_up"
_READ, _LATER_TUMOUR, _NO_TEST = "rows with a test", "rows that are no primary tumour", "rows without a known test"
_TESTS = "molecular_tests."
_STATUS: Mapping[tuple[str, bool], str] = {
    ("ESR1", False): "er",
    ("PGR", False): "pr",
    ("ERBB2", False): "her2_ihc",
    ("ERBB2", True): "her2_ish",
}
_PERCENT = {"ESR1": "er_percent", "PGR": "pr_percent", "MKI67": "ki67_percent"}
_STAINED = frozenset({"ihc", "immunohistochemistry"})
_HYBRIDISED = frozenset({"fish", "ish", "cish", "in situ hybridization", "fluorescence in situ hybridization"})
_MENOPAUSE = ("follow_ups.menopause_status", "other_clinical_attributes.menopause_status")
_TIMEPOINTS = ("follow_ups.timepoint_category", f"{_TESTS}timepoint_category", "timepoint_category")
_LATER = ("recurrence", "recurrent", "metasta", "progression", "new tumor")


def _layout(case: str, mark: str) -> Layout:
    return Layout(NAME, frozenset({case, mark}), {}, lambda row: row[case].strip())


LAYOUTS = (
    _layout("cases.submitter_id", "follow_ups.follow_up_id"),
    _layout("case_submitter_id", "molecular_test_id"),
    _layout("submitter_id", "molecular_test_id"),
)


def as_events(file: File) -> File:
    """The file's tests as entries, one a measurement."""
    events: list[Event] = []
    kinds: dict[str, int] = dict.fromkeys((_READ, _LATER_TUMOUR, _NO_TEST), 0)
    for place, row in file.lines():
        found = list(_events(file.layout.case_of(row) or "", place, row))
        is_later = any(word in row.get(column, "").casefold() for column in _TIMEPOINTS for word in _LATER)
        kinds[_NO_TEST if not found else _LATER_TUMOUR if is_later else _READ] += 1
        events += [] if is_later else found
    return event_file(NAME, file.path, events, file.index, kinds)


def _events(case_id: str, place: Place, row: Row) -> Iterator[Event]:
    """What a row measures; a case that cannot be told is kept, to be said."""
    prefix = _TESTS if f"{_TESTS}gene_symbol" in row else ""
    test = {name: row.get(prefix + name, "").strip() for name in _COLUMNS}
    days = int(test["days_to_test"]) if test["days_to_test"].lstrip("-").isdecimal() else None
    for field, text in (*_values(test), *(("menopause", row.get(column, "")) for column in _MENOPAUSE)):
        if not is_missing(text):
            yield Event(case_id, field, text, *place, days)


def _values(test: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Field and text of one test."""
    gene, method = test["gene_symbol"], test["molecular_analysis_method"].casefold()
    is_hybridised = method in _HYBRIDISED
    if not (is_hybridised or method in _STAINED or is_missing(method)):
        return
    if field := _STATUS.get((gene, is_hybridised)):
        yield field, test["test_result"]
    if is_hybridised:
        return
    if field := _PERCENT.get(gene):
        in_percent = test["test_units"].casefold() in ("percent", "%")
        yield (
            field,
            test["test_value"] if in_percent and is_missing(test["test_value_range"]) else test["test_value_range"],
        )
    if gene == "ERBB2":
        yield "her2_ihc_score", test["staining_intensity_value"]


_COLUMNS = (
    *("gene_symbol", "molecular_analysis_method", "test_result", "test_units", "test_value", "test_value_range"),
    *("staining_intensity_value", "days_to_test"),
)
