"""Random networks, tiles, and a folder of weights, for tests of backbones."""

import importlib.util

import cv2
import numpy as np
import pytest
import torch

from modalities.slides.backbones.importing import import_timm

needs_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None,
    reason="timm is not installed: run `pip install -c constraints.txt '.[encoders]'`",
)


def random_network(model, **options):
    """As timm builds it, but no layer is switched off: some begin with a scale of 0 or 1e-5."""
    torch.manual_seed(7)
    return stirred(import_timm().create_model(model, num_classes=0, **options))


def stirred(network):
    with torch.no_grad():
        for weights in network.parameters():
            if weights.ndim == 1:
                weights.uniform_(0.5, 1.5)
    return network.eval()


def tiles_of(side_px, n=3):
    rng = np.random.default_rng(side_px)
    coarse = rng.integers(0, 256, (n, 9, 9, 3), dtype=np.uint8)
    return [cv2.resize(tile, (side_px, side_px), interpolation=cv2.INTER_CUBIC) for tile in coarse]
