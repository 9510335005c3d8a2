"""Fold copies: what they are called, what they train on and what they are scored on."""

import numpy as np
import pytest

from modalities.core.fusion.settings import Fusion
from modalities.core.parts import held_out_fold, modality_of, parts_of, rows_of, scoring_parts

FOLDS = np.array([1, 3, 2, 1, 3])


def rows(part, fusion):
    train, held_out = rows_of(part, FOLDS, fusion)
    return train.tolist(), held_out.tolist()


def test_crossfit_has_a_copy_a_fold_and_the_branch_itself_trains_on_everything():
    fusion = Fusion(fit="crossfit", folds=3)
    assert parts_of("cnv", fusion) == ["cnv", "cnv@1", "cnv@2", "cnv@3"]
    assert scoring_parts("cnv", fusion) == ["cnv@1", "cnv@2", "cnv@3"]
    assert rows("cnv", fusion) == ([0, 1, 2, 3, 4], [])
    assert rows("cnv@1", fusion) == ([1, 2, 4], [0, 3])
    assert rows("cnv@2", fusion) == ([0, 1, 3, 4], [2])


def test_every_case_is_held_out_by_exactly_one_copy():
    fusion = Fusion(fit="crossfit", folds=3)
    held_out = [row for part in scoring_parts("cnv", fusion) for row in rows(part, fusion)[1]]
    assert sorted(held_out) == [0, 1, 2, 3, 4]


def test_tune_holds_the_first_fold_out_of_the_branch_itself():
    fusion = Fusion(fit="tune")
    assert parts_of("cnv", fusion) == scoring_parts("cnv", fusion) == ["cnv"]
    assert held_out_fold("cnv", fusion) == 1
    assert rows("cnv", fusion) == ([1, 2, 4], [0, 3])


def test_none_holds_nothing_out():
    fusion = Fusion(fit="none")
    assert parts_of("cnv", fusion) == ["cnv"]
    assert scoring_parts("cnv", fusion) == []
    assert rows("cnv", fusion) == ([0, 1, 2, 3, 4], [])


@pytest.mark.parametrize(("part", "modality"), [("cnv", "cnv"), ("cnv@2", "cnv"), ("second_cnv@13", "second_cnv")])
def test_modality_of_a_part(part, modality):
    assert modality_of(part) == modality
