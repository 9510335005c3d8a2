"""A masked vector is added only to those that have the same parts in the same order, and the same lengths."""

import numpy as np
import pytest

from strategies.masked_exchange.adding import MaskedReply, MaskedSum
from strategies.masking.vectors import Vector


def vector(n_weights=5, n_sums=3, dtype=np.uint64):
    return Vector(np.zeros(n_weights, dtype), np.zeros((n_sums, 2), np.uint64))


@pytest.mark.parametrize(
    ("layout", "sent", "takes"),
    [
        ("cnv w(5)", vector(), True),
        ("cnv v(5)", vector(), False),
        ("cnv w(5)", vector(n_weights=6), False),
        ("cnv w(5)", vector(n_sums=2), False),
        ("cnv w(5)", vector(dtype=np.uint32), False),
    ],
)
def test_what_differs_in_layout_length_or_format_is_not_added(layout, sent, takes):
    total = MaskedSum("label", "inputs", "cnv w(5)", vector())
    assert total.takes(MaskedReply("label", "inputs", layout, sent, [])) is takes
