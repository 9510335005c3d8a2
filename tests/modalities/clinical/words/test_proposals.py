"""What proposals are, for any text at all, and of single pieces that are easily taken wrongly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modalities.clinical.dictionary import BY_NAME, FIELDS
from modalities.clinical.words.meanings import meanings_of
from modalities.clinical.words.proposals import propose

PIECES = [
    "positiv",
    "nicht",
    "3+",
    "+",
    "-",
    "0/12",
    "pT2",
    "n1",
    "80 %",
    "<1",
    "IIB",
    "g3",
    "her2",
    "score",
    "k.A.",
    "?",
    "und",
]


@given(
    st.sampled_from(FIELDS),
    st.one_of(st.text(max_size=12), st.lists(st.sampled_from(PIECES), max_size=5).map(" ".join)),
)
def test_of_any_text_a_proposal_is_a_word_that_may_be_written_and_its_sureness_a_share(field, text):
    proposal = propose(field.name, text)
    if proposal is None:
        return
    problems = []
    meanings_of({field.name: {text: proposal.means}}, problems)
    assert problems == []
    assert 0 < proposal.sureness <= 1


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("er", "ER negativ, PR positiv"), ("er", "nicht negativ"), ("er", "100% neg"), ("er", "PR positiv"),
        ("er", "triple negative"), ("er", "ER-"), ("er", "unklar"), ("er", "(+)"), ("er", "5"),
        ("her2", "2+, FISH amplifiziert"), ("her2", "1+/2+"), ("her2", "positiv (2+)"), ("her2", "8 positiv"),
        ("her2_ihc_score", "2+ (negativ)"), ("menopause", "prä-/perimenopausal"), ("menopause", "post partum"),
        ("stage", "IIA oder IIB"), ("stage", "Grade 2"), ("stage", "IV?"), ("grade", "SBR 6/9"), ("grade", "G2/3"),
        ("t", "T2/T3"), ("n", "pN1 (0/12)"), ("n", "pN0 (2/12)"), ("m", "Metastasen"), ("m", "M0/M1"),
        ("histology", "kein invasives Karzinom"), ("histology", "invasiv-duktal mit DCIS"), ("age", "6 Monate"),
        ("age", "geb. 1950"), ("ki67_percent", "15-20 % hot spot 30 %"), ("nodes_positive", "3 von 15"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_or_says_something_else_is_never_sure(field, text):
    proposal = propose(field, text)
    assert proposal is None or proposal.sureness < 0.9


def test_every_state_of_the_dictionary_is_proposed_for_its_own_word_in_german():
    words = {"positive": "positiv", "negative": "negativ", "equivocal": "grenzwertig", "indeterminate": "unbestimmt"}
    for state, word in words.items():
        assert propose("her2", word).means == state
    assert BY_NAME["her2"].states == tuple(words)
