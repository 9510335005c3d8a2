"""Files of several formats, merged field by field; whatever is wrong with them is said once, and where."""

import itertools

import numpy as np
import pytest

from modalities import clinical
from modalities.core.contract import Source
from modalities.core.files.remarks import remarked
from modalities.core.problems import ProblemsError

CONFIG = clinical.Config()
A, B, C = "TCGA-AA-0001", "TCGA-AA-0002", "TCGA-BB-0003"


def read(*paths, config=CONFIG, **source):
    return clinical.read(Source(tuple(paths), **source), config)


def value(cases, case_id, feature):
    return cases.values[cases.case_ids.index(case_id), cases.features.index(feature)]


def test_columns_are_the_dictionarys_whatever_the_files_hold(write):
    cases = read(write.cbioportal({"case": f"{A}-01", "age": "51"}))
    assert cases.features == clinical.features_of("ihc")
    assert cases.values.dtype == np.float32
    assert value(cases, A, "age") == 51
    assert np.isnan(value(cases, A, "nodes_positive"))


def test_excluded_field_is_no_column_and_a_case_known_by_it_alone_is_counted(write):
    files = write.biotab({"case": A, "t": "T2", "er": "Positive"}, {"case": B, "er": "Negative"})
    config = clinical.Config(exclude=["er", "er_percent"])
    cases = read(files, config=config)
    assert (cases.case_ids, cases.features) == ((A,), tuple(config.known_features))
    assert set(clinical.features_of("ihc")) - set(cases.features) == {
        "er=positive",
        "er=negative",
        "er=indeterminate",
        "er_percent",
    }
    assert cases.notes["cases of which nothing is known"] == 1


def test_merge_is_field_by_field_in_the_order_of_trust_however_files_are_listed(write):
    files = [
        write.biotab({"case": A, "t": "T1"}),
        write.xena({"case": f"{A}-01", "t": "T2", "n": "N1"}),
        write.cbioportal({"case": f"{A}-01", "t": "T3", "n": "N2", "m": "M0"}),
    ]
    for listed in itertools.permutations(files):
        cases = read(*listed)
        assert [value(cases, A, name) for name in "tnm"] == [1, 1, 0]


def test_conflict_is_two_known_values_that_differ_once_harmonised(write):
    biotab = write.biotab({"case": A, "t": "T2", "er": "Positive", "age": ""}, {"case": B, "t": "T1", "n": "N0 (i-)"})
    xena = write.xena(
        {"case": f"{A}-01", "t": "T2a", "er": "Negative", "age": "50"}, {"case": f"{B}-01", "t": "T3", "n": "N0"}
    )
    cbioportal = write.cbioportal({"case": f"{B}-01", "t": "T4"})
    notes = read(biotab, xena, cbioportal).notes
    assert notes["conflicts between files"] == 2  # er of A, t of B; T2 and T2a agree, so do N0 (i-) and N0


def test_two_tables_of_one_format_that_contradict_each_other_are_told(write):
    may = write.text("export_05.csv", f"case_id,er,age\n{A},pos,50\n{B},neg,61\n")
    june = write.text("export_06.csv", f"case_id,er,age\n{A},neg,51\n{B},neg,61\n{C},neg,70\n")
    with remarked() as heard:
        cases = read(may, june, columns={"er": "er", "age": "age"})
    assert (value(cases, A, "er=positive"), value(cases, C, "age")) == (1, 70)
    assert [(told.file, told.level, told.what) for told in heard] == [
        ("export_06.csv", "warning", "2 values of 1 cases are others in export_05.csv, whose values count")
    ]
    with remarked() as heard:  # of different formats the more trusted one is known
        read(write.biotab({"case": A, "t": "T2"}), write.xena({"case": f"{A}-01", "t": "T3"}))
    assert not heard


def test_normal_tissue_and_metastases_are_left_out_and_counted(write):
    xena = write.xena(
        {"case": f"{A}-01", "age": "50"}, {"case": f"{A}-11", "age": "50"}, {"case": f"{A}-06", "age": "52"}
    )
    cbioportal = write.cbioportal(
        {"case": f"{A}-01", "age": "50"},
        {"case": f"{B}-01", "age": "60", "Sample Type": "Metastasis"},
        {"case": f"{C}-06", "age": "70", "Sample Type": "Primary"},
    )
    cases = read(xena, cbioportal)
    assert cases.case_ids == (A,)
    assert cases.notes["xena: rows used"] == 1
    assert cases.notes["xena: rows that are no primary tumour"] == 2
    assert cases.notes["cbioportal: rows that are no primary tumour"] == 2


def test_her2_is_worked_out_after_the_merge(write):
    cases = read(
        write.biotab({"case": A, "her2_ihc": "Equivocal"}), write.xena({"case": f"{A}-01", "her2_ish": "Positive"})
    )
    assert value(cases, A, "her2=positive") == 1
    assert value(cases, A, "her2=equivocal") == 0


def test_case_of_which_no_input_is_known_is_left_out_and_counted(write):
    cases = read(
        write.biotab({"case": A, "er": "Positive"}, {"case": B, "t": "T1"}), config=clinical.Config(inputs="no_ihc")
    )
    assert cases.case_ids == (B,)
    assert cases.notes["cases of which nothing is known"] == 1


def test_agreed_columns_are_followed_and_an_absent_one_is_missing(write):
    config = clinical.Config(features=["er=positive", "blood_group", "age"])
    cases = read(write.biotab({"case": A, "age": "47", "er": "Positive"}), config=config)
    assert cases.features == ("er=positive", "blood_group", "age")
    assert cases.values.tolist() == [[1, pytest.approx(np.nan, nan_ok=True), 47]]
    assert cases.notes["columns imputed"] == 1


def test_a_folder_stands_for_the_tables_in_it(write):
    write.biotab({"case": A, "age": "47"})
    write.xena({"case": f"{B}-01", "age": "48"}, name="xena.tsv")
    write.text("readme.md", "not a table")
    assert read(write.folder).case_ids == (A, B)


def test_same_row_twice_is_one_case(write):
    cases = read(write.biotab({"case": A, "age": "47"}, {"case": A, "age": "47"}))
    assert cases.case_ids == (A,)
    assert cases.notes["biotab: rows repeated"] == 1


def test_leaking_columns_of_a_known_format_change_nothing(write):
    plain = {"case": f"{A}-01", "age": "51"}
    clean = read(write.cbioportal(dict(plain)))
    leaky = write.cbioportal(
        {**plain, "Subtype": "BRCA_Basal", "Buffa Hypoxia Score": "31"},
        extra=("Subtype", "Buffa Hypoxia Score"),
        name="leaky.tsv",
    )
    assert np.array_equal(read(leaky).values, clean.values, equal_nan=True)


def test_case_twice_with_different_rows_is_refused(write):
    path = write.biotab({"case": A, "age": "47"}, {"case": B, "age": "50"}, {"case": A, "age": "74"})
    with pytest.raises(ValueError, match=rf"biotab.txt: case {A} stands more than once .*line 6.*keep one row a case"):
        read(path)


def test_unknown_value_is_named_with_file_line_column_value_and_remedy(write):
    path = write.biotab({"case": A, "er": "Positive"}, {"case": B, "er": "Psitive"}, {"case": C, "er": "Psitive"})
    with pytest.raises(ProblemsError, match="'Psitive' is not known") as caught:
        read(path)
    (problem,) = caught.value.problems
    assert problem.file.endswith("biotab.txt")
    assert problem.where == "line 5 and 1 more, column 'er_status_by_ihc'"
    assert problem.remedy == (
        "write positive, negative, indeterminate, or leave it empty; "
        "`tessera-client map SITE` lists such words and maps them in site.yaml"
    )


def test_all_problems_of_all_files_are_raised_at_once(write):
    files = [
        write.biotab({"case": A, "age": "old"}),
        write.xena({"case": f"{A}-01", "t": "T9"}, {"case": "", "t": "T1"}),
    ]
    with pytest.raises(ValueError, match=r"(?s)'old'.*'T9'") as caught:
        read(*files)
    assert "xena.txt, line 3: no case id" in str(caught.value)


def test_more_than_twenty_problems_are_counted(write):
    rows = [{"case": f"TCGA-AA-{number:04d}", "age": f"x{number}"} for number in range(23)]
    with pytest.raises(ValueError, match="and 3 more problems"):
        read(write.biotab(*rows))


def test_truncated_row_is_refused_with_its_line(write):
    path = write.biotab({"case": A, "age": "47"}, {"case": B, "age": "48"})
    path.write_text(path.read_text()[:-9])
    with pytest.raises(
        ValueError, match=r"biotab.txt: the header has 18 fields, but line 5 has 1\d; the file is cut off"
    ):
        read(path)


def test_empty_file_is_refused(write):
    with pytest.raises(ValueError, match=r"nothing.txt: the file is empty"):
        read(write.text("nothing.txt", ""))


def test_header_without_a_case_is_refused(write):
    with pytest.raises(ValueError, match=r"biotab.txt: a header and no case"):
        read(write.biotab())


def test_biotab_without_its_three_header_rows_is_refused(write):
    path = write.biotab({"case": A, "age": "47"})
    first, _, _, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, *rest]))
    with pytest.raises(ValueError, match="GDC's three header rows are not all there; download the file again"):
        read(path)


def test_unknown_delimiter_is_refused(write):
    path = write.biotab({"case": A, "age": "47"})
    path.write_text(path.read_text().replace("\t", "^"))
    with pytest.raises(ValueError, match=r"biotab.txt: only one column: line 1 has no tab, comma"):
        read(path)


def test_text_that_is_partly_utf8_is_refused_with_its_line(write):
    path = write.biotab({"case": A, "age": "47"})
    path.write_bytes(path.read_bytes() + "é".encode() + b"\n\xe9\n")
    with pytest.raises(ValueError, match=r"biotab.txt: line 6 is not UTF-8 text, though the rest of the file is"):
        read(path)


def test_unknown_file_is_refused_with_the_formats_and_its_columns(write):
    with pytest.raises(ValueError, match=r"own.csv: neither GDC biotab nor .* Xena .* nor a cBioPortal.*id, years"):
        read(write.text("own.csv", "id,years\nP-1,47\n"))


def test_format_that_the_file_does_not_have_is_refused(write):
    path = write.biotab({"case": A, "age": "47"})
    with pytest.raises(ValueError, match=r"no xena file, for it has no column _PATIENT, sampleID; correct `format`"):
        read(path, format="xena")
    with pytest.raises(ValueError, match=r"no clinical format 'excel'; there are auto, mapped, biotab"):
        read(path, format="excel")


def test_files_that_hold_no_known_input_are_refused(write):
    with pytest.raises(ValueError, match="no case of which any input is known"):
        read(write.biotab({"case": A, "age": "[Not Available]"}))


@pytest.mark.parametrize("name", ["TCGA.BRCA.sampleMap_BRCA_clinicalMatrix", "BRCA_clinicalMatrix"])
def test_xenas_download_has_no_ending_and_is_seen_in_a_folder(write, name):
    folder = write.folder / "download"
    folder.mkdir()
    (folder / name).write_text(
        f"sampleID\t_PATIENT\tAge_at_Initial_Pathologic_Diagnosis_nature2012\tpathologic_T\n{A}-01\t{A}\t61\tT2\n"
    )
    (folder / "readme").write_text("no table")
    assert list(read(folder).case_ids) == list(read(folder / name).case_ids) == [A]


@pytest.mark.parametrize("paths", [(), ("empty",)])
def test_no_file_at_all_is_refused(write, paths):
    (write.folder / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no clinical file is named|the folder holds no table"):
        read(*(write.folder / path for path in paths))
