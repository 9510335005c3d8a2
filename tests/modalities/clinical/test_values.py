"""What sites write, and what the dictionary makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modalities.clinical.dictionary import BY_NAME, FIELDS
from modalities.clinical.values import parse


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("age", "62", 62),
        ("age", "61,5", 61.5),
        ("age", ">89", 89),
        ("age", "90+", 90),
        ("er_percent", "90-99%", 94.5),
        ("er_percent", "<10%", 5),
        ("pr_percent", "> 75 %", 87.5),
        ("ki67_percent", "14", 14),
        ("nodes_positive", "0", 0),
        ("t", "T2", 2),
        ("t", "pT1mi", 1),
        ("t", "ypT4b", 4),
        ("t", "Tis", 0),
        ("t", "T3 (m)", 3),
        ("n", "N0 (i-)", 0),
        ("n", "N1MI", 1),
        ("n", "pN2a(sn)", 2),
        ("m", "cM0 (i+)", 0),
        ("m", "M1", 1),
        ("stage", "Stage IIIC", 3),
        ("stage", "STAGE IV", 4),
        ("stage", "2B", 2),
        ("grade", "G3", 3),
        ("grade", "2.0", 2),
        ("stage", "3.0", 3),
        ("grade", "moderately differentiated", 2),
        ("menopause", "Post (prior bilateral ovariectomy OR >12 mo since LMP with no prior hysterectomy)", "post"),
        ("menopause", "Premenopausal", "pre"),
        ("menopause", "Indeterminate (neither Pre or Postmenopausal)", "indeterminate"),
        ("histology", "8500/3", "ductal"),
        ("histology", "8522/3", "mixed"),
        ("histology", "9020/3", "other"),
        ("histology", "8520/2", "other"),
        ("histology", "Infiltrating Lobular Carcinoma", "lobular"),
        ("histology", "Ductal & Mucinous", "mixed"),
        ("histology", "Mixed Histology (please specify)", "mixed"),
        ("histology", "Other  specify", "other"),
        ("histology", "Infiltrating duct carcinoma, NOS", "ductal"),
        ("histology", "Infiltrating duct and lobular carcinoma", "mixed"),
        ("histology", "Ductal/NST", "ductal"),
        ("histology", "Tubular/ cribriform", "other"),
        ("histology", "Invasive carcinoma of no special type", "ductal"),
        ("histology", "Ductal carcinoma in situ", "other"),
        ("histology", "Lobular carcinoma in-situ, NOS", "other"),
        ("histology", "Non-invasive ductal carcinoma", "other"),
        ("histology", "Intraductal carcinoma and lobular carcinoma in situ", "other"),
        ("histology", "Invasive lobular carcinoma with ductal carcinoma in situ", "lobular"),
        ("histology", "Infiltrating duct and lobular carcinoma in situ", "ductal"),
        ("grade", "high grade, poorly differentiated", 3),
        ("menopause", "postmenopausal (was pre at first visit)", "post"),
        ("er", "POS", "positive"),
        ("er", "1", "positive"),
        ("er", "Positve", "positive"),
        ("pr", "0", "negative"),
        ("pr", "Indeterminate", "indeterminate"),
        ("her2_ihc", "Equivocal", "equivocal"),
        ("her2_ihc", "1+", "negative"),
        ("her2_ish", "Not amplified", "negative"),
        ("her2_ish", "1", "positive"),
        ("her2_ihc_score", "3+", "3+"),
        ("her2_ihc_score", "2", "2+"),
    ],
)
def test_value_is_harmonised(field, text, value):
    assert parse(BY_NAME[field], text) == value


@pytest.mark.parametrize(
    "text", ["", " ", "NA", "[Not Available]", "[Not Evaluated]", "[Discrepancy]", "Unknown", ".", "'--", "--"]
)
@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_token_for_missing_is_missing_in_every_field(field, text):
    assert parse(field, text) is None


@pytest.mark.parametrize(
    ("field", "text"), [("t", "TX"), ("n", "pNX"), ("m", "MX"), ("stage", "Stage X"), ("grade", "GX")]
)
def test_what_could_not_be_assessed_is_missing(field, text):
    assert parse(BY_NAME[field], text) is None


@pytest.mark.parametrize(
    ("field", "text", "permitted"),
    [
        ("age", "old", "0 to 120"),
        ("age", "-5", "0 to 120"),
        ("age", "1962", "0 to 120"),
        ("er_percent", "950", "0 to 100"),
        ("er_percent", "19-Oct", "0 to 100"),
        ("t", "T5", "0 to 4"),
        ("stage", "early", "0 to 4"),
        ("er", "-", "positive, negative, indeterminate"),
        ("her2", "1", "positive, negative, equivocal, indeterminate"),
        ("her2_ihc_score", "4+", "0, 1"),
        ("histology", "sarcoma", "ductal, lobular"),
        ("menopause", "president", "pre, peri, post"),
        ("histology", "ductal y lobulillar", "ductal, lobular"),
        ("histology", "misto duttale e lobulare", "ductal, lobular"),
        ("histology", "nicht lobular", "ductal, lobular"),
        ("histology", "lobular, no ductal component", "ductal, lobular"),
        ("grade", "moderate to poorly differentiated", "1 to 3"),
        ("grade", "well, moderately differentiated", "1 to 3"),
        ("menopause", "Pre/peri", "pre, peri, post"),
        ("menopause", "pre- or perimenopausal", "pre, peri, post"),
    ],
)
def test_unknown_or_ambiguous_value_is_refused_with_what_may_be_written(field, text, permitted):
    with pytest.raises(ValueError, match=permitted):
        parse(BY_NAME[field], text)


@given(st.sampled_from(FIELDS), st.text(max_size=12))
def test_any_text_is_missing_a_permitted_value_or_refused(field, text):
    try:
        value = parse(field, text)
    except ValueError:
        return
    assert value is None or (value in field.states if field.states else field.low <= value <= field.high)


@given(st.sampled_from([(field, state) for field in FIELDS for state in field.states]))
def test_dictionary_reads_its_own_states(pair):
    field, state = pair
    assert parse(field, state.upper()) == state
