import numpy as np
import pytest

from strategies.masking.layout import Reply, flattened, layout_of, restored

ARRAYS = {"cnv@2": {"w": np.arange(6.0).reshape(2, 3)}, "cnv": {"b": np.array([7.0, 8.0]), "a": np.array(9.0)}}
METRICS = {"cnv": {"num-examples": 17, "loss-sum": 2.5}}


@pytest.mark.parametrize("is_weighted", [True, False])
def test_a_reply_comes_back_from_its_numbers(is_weighted):
    reply = Reply(ARRAYS, METRICS, is_weighted)
    weights, sums = flattened(reply)
    weights = np.concatenate([np.zeros(0), *(array.reshape(-1) for array in weights)])
    assert (len(weights), len(sums)) == ((9, 2) if is_weighted else (0, 11))
    back = restored(layout_of(reply), weights, sums)
    assert back.metrics == METRICS
    assert type(back.metrics["cnv"]["num-examples"]) is int
    assert {part: sorted(own) for part, own in back.arrays.items()} == {"cnv": ["a", "b"], "cnv@2": ["w"]}
    assert all(np.array_equal(back.arrays[part][name], own[name]) for part, own in ARRAYS.items() for name in own)


def test_a_layout_that_does_not_fit_the_numbers_is_refused():
    reply = Reply(ARRAYS, METRICS)
    with pytest.raises(ValueError, match="12 numbers, and the layout has 11"):
        restored(layout_of(reply), np.zeros(0), np.zeros(12))
    with pytest.raises(ValueError, match="reshape"):
        restored(layout_of(reply), np.zeros(0), np.zeros(10))
