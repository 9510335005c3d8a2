"""Words of five languages, whatever their accents, endings and typing."""

import pytest

from modalities.core.files.vocabulary import GENERAL, UNKNOWN, Meant, Vocabulary, folded, words_of

WORDS = Vocabulary(
    {"not": "nicht, non", "yes": "positiv", "pre": "premenopausal", "peri": "perimenopausal", "gone": "k a"}
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("prämenopausal", "PRAEMENOPAUSAL"),
        ("négatif", "ne\u0301gatif"),
        ("Östrogen", "oestrogen"),
        ("mäßig", "maessig"),
    ],
)
def test_accents_umlauts_and_capitals_make_no_difference(one, other):
    assert folded(one) == folded(other)


@pytest.mark.parametrize("text", ["HER2", "Her-2/neu", "c-erbB-2", "HER 2", "her2neu"])
def test_her2_is_one_word_however_it_is_written(text):
    assert words_of(text) == ["hertwo"]


def test_endings_of_gender_and_number_are_no_other_word():
    assert WORDS.meant(["positive"]) == [Meant("positive", "yes", 1.0)]
    assert WORDS.meant(["positiven"]) == [Meant("positiven", "yes", 1.0)]


def test_a_phrase_goes_before_its_words():
    assert [meant.concept for meant in WORDS.meant(words_of("nicht positiv (k.A.)"))] == ["not", "yes", "gone"]


def test_a_negation_written_together_with_its_word_is_heard():
    assert [meant.concept for meant in WORDS.meant(["nichtpositiv"])] == ["not", "yes"]


def test_a_word_typed_wrong_is_that_word_and_less_sure():
    (meant,) = WORDS.meant(["positv"])
    assert meant.concept == "yes"
    assert meant.sureness == pytest.approx(2 * 6 / 13)  # six letters of each match: difflib's ratio


def test_between_two_meanings_that_are_as_near_it_is_not_sure():
    (meant,) = WORDS.meant(["permenopausal"])
    assert meant.sureness == pytest.approx(0.6)


@pytest.mark.parametrize("word", ["posit", "negativ", "xyz", "12"])
def test_what_is_far_from_every_word_is_unknown(word):
    assert WORDS.meant([word]) == [Meant(word, UNKNOWN, 1.0)]


def test_a_word_of_two_meanings_is_refused():
    with pytest.raises(ValueError, match="'nicht' stands for yes and for no"):
        Vocabulary({"yes": "ja, nicht", "no": "Nicht"})


def test_the_general_words_stand_for_one_thing_each():
    assert Vocabulary(GENERAL).concept_of["keine angabe"] == "missing"
