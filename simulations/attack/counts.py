"""How many cases of each class a site has, worked out from one step of its bias.

The gradient of the mean cross-entropy by the bias of a softmax is the mean of p - y over the cases, so that one step of
size lr from known weights gives mean(y) = mean(p) + (bias after - bias before) / lr. In the first round every head is
zero, p is 1 / classes for every case, and the counts come out exact. Later mean(p) must be guessed, here from cases of
the attacker's own.

Source: labels from a last layer's gradients, Zhao, Mopuri and Bilen 2020, arXiv:2001.02610.
"""

import numpy as np
from jaxtyping import Float64

from modalities.core.blocks.branch import Weights

BIAS = "head.bias"


def class_counts(
    before: Weights, after: Weights, n_cases: int, lr: float, mean_probabilities: Float64[np.ndarray, " class"]
) -> Float64[np.ndarray, " class"]:
    """The classes of the cases behind one step of full-batch gradient descent, not rounded.

    Args:
        before: the weights that the step began with.
        after: the mean weights after it, of one site or of a group.
        n_cases: how many cases it was over, which sites say in clear.
        lr: the step's learning rate.
        mean_probabilities: of these cases under the weights before, or a guess of it.
    """
    moved = after[BIAS].astype(np.float64) - before[BIAS].astype(np.float64)
    return n_cases * (mean_probabilities + moved / lr)
