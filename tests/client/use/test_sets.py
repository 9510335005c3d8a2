"""What stands beside a prediction: contributions of modalities, and the classes that cannot be ruled out."""

import numpy as np

from client.use.about import About
from client.use.prediction_page import page_of
from client.use.predictions import Predictions
from client.use.shapley import shapley
from modalities.core.model.conformal import sets_of


def test_shapley_of_a_game_worked_out_by_hand():
    """v() = 1, v(a) = 4, v(b) = 3, v(ab) = 10: a adds (3 + 7) / 2, b adds (2 + 6) / 2."""
    value = {(): 1.0, ("a",): 4.0, ("b",): 3.0, ("a", "b"): 10.0}
    found = shapley({frozenset(names): np.array([own]) for names, own in value.items()}, ["a", "b"])
    assert {name: added.tolist() for name, added in found.items()} == {"a": [5.0], "b": [4.0]}


def test_the_set_holds_what_its_thresholds_do_not_rule_out_and_close_probabilities_are_not_told_apart():
    """By hand: thresholds of .8 and .3 leave the classes of .2 and of .7 or more."""
    probabilities = np.array([[0.26, 0.74], [0.31, 0.69], [0.9, 0.1], [np.nan, np.nan]])
    sets = sets_of(probabilities, np.array([0.8, 0.3]))
    facts = About("grade", {"low": "low grade"}, "0" * 64, {"cnv": 11}, None)
    present = np.array([[True], [True], [True], [False]])
    found = Predictions(
        ("a", "b", "c", "d"),
        ("low", "high"),
        ("cnv",),
        probabilities,
        sets,
        present,
        np.array([0.5, 0.5]),
        np.array([[0.24], [0.19], [0.4], [0.0]]),
        (),
        facts,
        frozenset({"b"}),
    )
    assert found.table()["set"].tolist() == ["low+high", "low", "low", ""]
    text = page_of(found)
    assert '<td class="t open">any class: nothing is ruled out</td>' in text
    assert '<td class="t open">low, though high is more probable</td>' in text
    assert "1 cases with one class left; 2 " in text
    assert "1 without data" in text
    assert "not measured: this release holds no evaluation" in text
    assert text.count('<span class="tag">training</span></th>') == 1
    assert (
        "a would be high with probability 0.50 if nothing were known of it but the study&#39;s share of that class; "
        in text
    )
    assert "cnv added 0.24, which makes 0.74" in text
    assert "<th>low</th><td>low grade</td><td>0.50</td>" in text
