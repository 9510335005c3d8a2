"""What turns tiles into features: `stain`, built in, or a pretrained network by its name in timm."""

from functools import lru_cache
from pathlib import Path

from modalities.core.fields import AUTO
from modalities.core.problems import unusable
from modalities.slides.backbones.backbone import Backbone, Network
from modalities.slides.backbones.table import STAIN
from modalities.slides.config import SlidesConfig

__all__ = ["Backbone", "Network", "backbone_of"]


def backbone_of(config: SlidesConfig, weights: str = "", device: str = AUTO) -> Backbone:
    """The backbone that the recipe names, loaded once a process; `weights` is the site's folder for such files.

    `device` is `resources.device` of site.yaml; `stain` computes on the processor in any case.

    Raises:
        ValueError: its package, its weights or the device are not there, or the weights are not those that the
            federation agreed on.
    """
    backbone = _loaded(config.backbone, config.um_px, weights, device)
    if config.weights_digest and backbone.digest != config.weights_digest:
        raise unusable(
            f"backbone {config.backbone}: the weights here have the digest {backbone.digest}, but the "
            f"federation agreed on {config.weights_digest}",
            "copy the agreed file into the folder `slides.weights` of site.yaml",
        )
    return backbone


@lru_cache(maxsize=2)
def _loaded(name: str, um_px: float, weights: str, device: str) -> Backbone:
    if name == STAIN:
        from modalities.slides.backbones.stain import Stain  # needs the slides extra

        return Stain(um_px)
    from modalities.slides.backbones.pretrained import pretrained  # torch costs seconds to import

    return pretrained(name, Path(weights) if weights else None, device)
