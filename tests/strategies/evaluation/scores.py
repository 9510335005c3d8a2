"""Made-up probabilities that say something of made-up labels."""

import numpy as np


def made_up(
    n: int, n_classes: int = 4, seed: int = 0, signal: float = 1.0, shares=None
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels; the first class is the most frequent."""
    rng = np.random.default_rng(seed)
    shares = np.arange(n_classes, 0, -1) if shares is None else np.asarray(shares)
    labels = rng.choice(n_classes, n, p=shares / shares.sum())
    logits = rng.normal(size=(n, n_classes)) + signal * np.eye(n_classes)[labels]
    raised = np.exp(logits)
    return raised / raised.sum(axis=1, keepdims=True), labels
