"""REDCap exports: codes and labels by the data dictionary, the rows of a record's events, and nothing guessed."""

import pytest

from modalities import clinical
from modalities.core.contract import IndexDate, Source

HEADER = 'Variable / Field Name,Form Name,Field Type,Field Label,"Choices, Calculations, OR Slider Labels"\n'
DICTIONARY = (
    HEADER
    + """\
record_id,base,text,Record ID,
dx,base,text,Diagnosed,
er_status,path,radio,"<b>ER</b>, status","1, Positive | 0, Negative | 9, Not done"
grading,path,dropdown,Grade,"1, 3 | 2, 2 | 3, 1"
hist,path,checkbox,Histology,"1, Ductal | 2, Lobular"
meno,path,yesno,Postmenopausal,
note_a,path,text,Remark,
note_b,path,text,Remark,
seen,path,text,Seen,
"""
)
COLUMNS = {"er": "er_status", "histology": "hist"}


def row_of(cases, case_id):
    return dict(zip(cases.features, cases.values[cases.case_ids.index(case_id)], strict=True))


@pytest.fixture
def read(write):
    def read_export(export, dictionary=DICTIONARY, columns=COLUMNS, name="export.csv", **source):
        paths = [write.text(name, export)] + ([write.text("dictionary.csv", dictionary)] if dictionary else [])
        return clinical.read(Source(tuple(paths), columns=columns, **source), clinical.Config())

    return read_export


def states(cases, case_id):
    return [name for name, value in row_of(cases, case_id).items() if "=" in name and value == 1]


def test_codes_become_labels_and_ticked_boxes_one_text(read):
    cases = read("record_id,er_status,hist___1,hist___2\nP-1,1,1,0\nP-2,0,1,1\nP-3,9,0,1\n")
    assert states(cases, "P-1") == ["histology=ductal", "er=positive"]
    assert states(cases, "P-2") == ["histology=mixed", "er=negative"]
    assert states(cases, "P-3") == ["histology=lobular"]  # not done is missing


def test_labels_are_read_under_headers_of_names_and_of_labels(read):
    cells = "P-1,Positive,Checked,Unchecked,a,b,2\n"
    named = read("record_id,er_status,hist___1,hist___2,note_a,note_b,path_complete\n" + cells)
    headed = 'Record ID,"ER, status",Histology (choice=Ductal),Histology (choice=Lobular),Remark,Remark,Complete?\n'
    labelled = read(headed + cells, columns={**COLUMNS, "menopause": "note_b"}, values={"menopause": {"b": "post"}})
    assert states(named, "P-1") == ["histology=ductal", "er=positive"]
    assert states(labelled, "P-1") == ["menopause=post", "histology=ductal", "er=positive"]  # the second Remark


def test_what_may_be_a_code_or_a_label_is_asked_for(read):
    export, columns = "record_id,grading\nP-1,1\nP-2,3\n", {"grade": "grading"}
    with pytest.raises(
        ValueError, match=r"export.csv, column 'grading': '1' of grading may be a code, of '3', or a label"
    ):
        read(export, columns=columns)
    raw, labels = (read(export, columns=columns, format=name) for name in ("redcap_raw", "redcap_labels"))
    assert [row_of(raw, case)["grade"] for case in ("P-1", "P-2")] == [3, 1]
    assert [row_of(labels, case)["grade"] for case in ("P-1", "P-2")] == [1, 3]


EVENTS = """\
record_id,redcap_event_name,dx,er_status,seen
P-1,base_arm_1,2020-01-01,,
P-1,path_arm_1,,1,2020-01-20
P-1,relapse_arm_1,,0,2022-05-01
"""


def test_events_of_a_record_belong_together_and_differ_by_the_index_date_alone(read):
    with pytest.raises(
        ValueError, match=r"er differ between the measurements of 1 cases, and nothing says which counts"
    ):
        read(EVENTS)
    index = IndexDate(date="dx", measured="seen", take="after")
    assert states(read(EVENTS, index=index), "P-1") == ["er=positive"]


def test_date_of_a_record_stands_in_one_of_its_events(read):
    export = "record_id,redcap_event_name,dx,seen,er_status\nP-1,a,2020-01-01,,\nP-1,b,,1960-02-01,1\n"
    cases = read(export, columns={**COLUMNS, "birth_date": "seen", "diagnosis_date": "dx"})
    assert row_of(cases, "P-1")["age"] == 59


@pytest.mark.parametrize(
    "header",
    [
        "record_id,grading,path_complete",
        "record_id,grading,hist___1",
        "Record ID,Grade,Complete?",
        "Record ID,Grade,Histology (choice=Ductal)",
    ],
)
def test_codes_are_not_taken_for_words_where_no_event_shows_that_it_is_redcaps(read, header):
    """A 1 is a 3 in this project: read without its dictionary, grades would be wrong and nobody told."""
    case_id, grade, _ = header.split(",")
    with pytest.raises(ValueError, match="a REDCap export without its data dictionary"):
        read(f"{header}\nP-1,1,1\nP-2,3,0\n", dictionary="", columns={"case_id": case_id, "grade": grade})
    words = read(
        f"{header}\nP-1,1,1\nP-2,3,0\n", dictionary="", columns={"case_id": case_id, "grade": grade}, format="mapped"
    )
    assert row_of(words, "P-1")["grade"] == 1


@pytest.mark.parametrize(
    ("export", "options", "message"),
    [
        (
            EVENTS,
            {"dictionary": ""},
            r"export.csv: a REDCap export without its data dictionary; download the project's",
        ),
        ("er_status,dx\n1,2\n", {}, r"export.csv: no column 'record_id' of case ids; export it too"),
        (
            "record_id,er_status\nP-1,1\n",
            {"dictionary": DICTIONARY.replace("er_status", "pr_status")},
            r"export.csv: the data dictionary has no variable er_status; download the dictionary of this very project",
        ),
        ("record_id,er_status\n", {}, r"export.csv: a header and no record"),
        ("record_id,er_status\nP-1,7\n", {}, r"export.csv, line 2, column 'er_status': '7' is not known"),
        ("record_id,er_status\n,1\n", {}, r"export.csv, line 2: no case id"),
        (
            "record_id,er_status\nP-1,1\n",
            {"columns": {"er": "er_stat"}},
            r"no column 'er_stat' in export.csv; did you mean",
        ),
        (
            "record_id,er_status\nP-1,1\n",
            {"dictionary": DICTIONARY.replace("1, Ductal", "Ductal")},
            r"dictionary.csv, line 6: the choice 'Ductal' has no label; write choices as `1, Positive \| 2, Negative`",
        ),
        (
            "record_id,er_status\nP-1,1\n",
            {"dictionary": DICTIONARY.replace("0, Negative", "0, <br>")},
            r"dictionary.csv, line 4: the choice '0, <br>' has no label",
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(read, export, options, message):
    with pytest.raises(ValueError, match=message):
        read(export, **options)


def test_yes_and_no_are_choices(read):
    cases = read(
        "record_id,meno\nP-1,1\nP-2,0\n",
        columns={"menopause": "meno"},
        values={"menopause": {"Yes": "post", "No": "pre"}},
    )
    assert (states(cases, "P-1"), states(cases, "P-2")) == (["menopause=post"], ["menopause=pre"])


def test_dictionary_of_the_api_is_read_as_well(read):
    api = "field_name,form_name,field_type,field_label,select_choices_or_calculations\nrecord_id,b,text,ID,\n"
    cases = read(
        "record_id,er\nP-1,2\n", dictionary=api + 'er,b,radio,ER,"1, Negative | 2, Positive"\n', columns={"er": "er"}
    )
    assert states(cases, "P-1") == ["er=positive"]


def test_export_as_a_mapped_table_needs_no_dictionary(read):
    export = "record_id,redcap_event_name,er_status\nP-1,a,Positive\n"
    cases = read(export, dictionary="", format="mapped", columns={"case_id": "record_id", "er": "er_status"})
    assert states(cases, "P-1") == ["er=positive"]


def test_a_code_of_no_choice_is_not_read_as_the_number_that_it_is(read):
    earlier = DICTIONARY.replace('"1, Positive | 0, Negative | 9, Not done"', '"2, Positive | 3, Negative"')
    export = "record_id,er_status\nP-1,2\nP-2,1\nP-3,1\n"
    message = r"export.csv, line 3 and 1 more, column 'er_status': '1' is no choice of er_status, which has 2, 3"
    with pytest.raises(ValueError, match=message):
        read(export, earlier)
    assert states(read(export, earlier, values={"er": {"1": "negative"}}), "P-2") == ["er=negative"]


def test_a_ticked_box_may_hold_its_label_and_nothing_else_is_taken_for_an_empty_one(read):
    cases = read("record_id,er_status,hist___1,hist___2\nP-1,Positive,Ductal,\nP-2,Negative,,Lobular\n")
    assert states(cases, "P-1") == ["histology=ductal", "er=positive"]
    with pytest.raises(ValueError, match=r"export.csv, column 'hist___1': 'TRUE' of hist___1 is no tick"):
        read("record_id,er_status,hist___1,hist___2\nP-1,Positive,TRUE,FALSE\n")


def test_one_column_of_a_label_that_two_variables_share_is_nobodys(read):
    twins = DICTIONARY + 'er_relapse,later,radio,"ER, status","1, Positive | 0, Negative"\n'
    message = r"column 'ER, status': the label 'ER, status' is that of er_status, er_relapse, and not each has a column"
    with pytest.raises(ValueError, match=message):
        read('Record ID,"ER, status"\nP-1,Positive\n', twins, {"er": "er_status"})
    both = read('Record ID,"ER, status","ER, status"\nP-1,Positive,Negative\n', twins, {"er": "er_status"})
    assert states(both, "P-1") == ["er=positive"]
    shown = twins.replace("er_relapse,later,radio", "heading,later,descriptive")
    assert states(read('Record ID,"ER, status"\nP-1,Positive\n', shown, {"er": "er_status"}), "P-1") == ["er=positive"]
