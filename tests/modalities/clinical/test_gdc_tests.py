"""GDC's follow_up.tsv, where newer releases keep the receptors, beside clinical.tsv and pathology_detail.tsv."""

import pytest

from modalities import clinical
from modalities.core.contract import IndexDate, Source

A, B = "TCGA-AA-0001", "TCGA-AA-0002"
MISSING = "'--"
OWN = ("cases.submitter_id", "follow_ups.follow_up_id", "follow_ups.timepoint_category", "follow_ups.menopause_status")
TESTS = (
    *("gene_symbol", "molecular_analysis_method", "test_result", "test_value", "test_units", "test_value_range"),
    *("staining_intensity_value", "days_to_test"),
)
COLUMNS = (*OWN, *(f"molecular_tests.{name}" for name in TESTS))


def a_test(case, gene=MISSING, method=MISSING, result=MISSING, **more):
    test = {"gene_symbol": gene, "molecular_analysis_method": method, "test_result": result, **more}
    own = {"cases.submitter_id": case, "follow_ups.follow_up_id": "f-1"}
    return own | {name if "." in name else f"molecular_tests.{name}": text for name, text in test.items()}


def text_of(*rows):
    lines = ["\t".join(COLUMNS), *("\t".join(row.get(column, MISSING) for column in COLUMNS) for row in rows)]
    return "\n".join(lines) + "\n"


def read(*paths, **source):
    return clinical.read(Source(paths, **source), clinical.Config())


def row_of(cases, case_id):
    return dict(zip(cases.features, cases.values[cases.case_ids.index(case_id)], strict=True))


def test_receptors_are_told_by_gene_and_method(write):
    rows = [
        a_test(A, "ESR1", "IHC", "Positive", test_value_range="90-99%"),
        a_test(A, "PGR", "IHC", "Negative"),
        a_test(A, "ERBB2", "IHC", "Equivocal", staining_intensity_value="2+"),
        a_test(A, "ERBB2", "FISH", "Negative"),
        a_test(A, "TP53", "Sequencing, NOS", "Positive"),
        a_test(A, "ESR1", "RNA Sequencing", "Negative"),
        a_test(B, **{"follow_ups.menopause_status": "Premenopausal"}),
    ]
    cases = read(write.text("follow_up.tsv", text_of(*rows)))
    row = row_of(cases, A)
    states = [name for name, value in row.items() if "=" in name and value == 1]
    assert states == ["er=positive", "pr=negative", "her2=negative", "her2_ihc_score=2+"]
    assert row["er_percent"] == 94.5
    assert row_of(cases, B)["menopause=pre"] == 1
    assert cases.notes["gdc_follow_up: rows with a test"] == 5
    assert cases.notes["gdc_follow_up: rows without a known test"] == 2


def test_tests_of_a_later_tumour_are_left_out(write):
    later = a_test(A, "ESR1", "IHC", "Negative", **{"follow_ups.timepoint_category": "Recurrence"})
    cases = read(write.text("follow_up.tsv", text_of(a_test(A, "ESR1", "IHC", "Positive"), later)))
    assert row_of(cases, A)["er=positive"] == 1
    assert cases.notes["gdc_follow_up: rows that are no primary tumour"] == 1


def test_tests_that_differ_need_an_index_date(write):
    first, second = (a_test(A, "ESR1", "IHC", *rest) for rest in (("Positive",), ("Negative",)))
    rows = [{**first, "molecular_tests.days_to_test": "12"}, {**second, "molecular_tests.days_to_test": "900"}]
    path = write.text("follow_up.tsv", text_of(*rows))
    with pytest.raises(
        ValueError, match=r"er differ between the measurements of 1 cases, and nothing says which counts"
    ):
        read(path)
    assert row_of(read(path, index=IndexDate(date="diagnosis")), A)["er=positive"] == 1


def test_unknown_result_is_refused_with_file_line_and_field(write):
    path = write.text("follow_up.tsv", text_of(a_test(A, "PGR", "IHC", "Positive"), a_test(B, "ESR1", "IHC", "Weak")))
    with pytest.raises(ValueError, match=r"follow_up.tsv, line 3, field 'er': 'Weak' is not known; write positive"):
        read(path)


def test_row_without_a_case_is_refused(write):
    path = write.text(
        "follow_up.tsv", text_of(a_test(A, "PGR", "IHC", "Positive"), a_test("", "ESR1", "IHC", "Positive"))
    )
    with pytest.raises(ValueError, match=r"follow_up.tsv, line 3: no case id"):
        read(path)


def test_lymph_nodes_come_from_the_pathology_details(write):
    columns = ("cases.submitter_id", "pathology_details.pathology_detail_id")
    header = "\t".join((*columns, "pathology_details.lymph_nodes_tested", "pathology_details.lymph_nodes_positive"))
    path = write.text("pathology_detail.tsv", f"{header}\n{A}\tp-1\t13\t2\n{A}\tp-2\t'--\t2\n")
    row = row_of(read(path), A)
    assert (row["nodes_examined"], row["nodes_positive"]) == (13, 2)


def test_folder_of_the_download_is_read_as_it_is(write, tmp_path):
    write.text("follow_up.tsv", text_of(a_test(A, "ESR1", "IHC", "Positive")))
    write.text("exposure.tsv", f"cases.submitter_id\texposures.exposure_id\texposures.cigarettes_per_day\n{A}\te\t20\n")
    header = "cases.submitter_id\tfamily_histories.family_history_id\tfamily_histories.relative_with_cancer_history"
    write.text("family_history.tsv", f"{header}\n{A}\tf\tyes\n{B}\tf\tno\n")
    cases = read(tmp_path)
    assert cases.case_ids == (A,)
    assert cases.notes["cases of which nothing is known"] == 1
    assert cases.notes["gdc_without_fields: rows used"] == 3
