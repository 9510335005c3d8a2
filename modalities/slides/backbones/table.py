"""The encoders that go by a name: what each is made of, how its tiles are prepared, and what it was trained on.

A row of encoders.json an encoder. What no public source confirmed stands in its `unconfirmed`. No row needs timm or
torch to be read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

STAIN = "stain"
"""The backbone that is computed, not trained."""
_TABLE = Path(__file__).parent / "encoders.json"


@dataclass(frozen=True)
class Encoder:
    """A row."""

    name: str
    """In federation.yaml, and of its file of weights."""
    title: str
    network: str
    """In timm."""
    options: Mapping[str, Any]
    """For `timm.create_model`; layers by their name in timm."""
    pooling: Literal["class", "class+mean", "attention", "network"]
    """What a tile's features are: the class token; it and the mean of the patch tokens, registers left out; the
    tokens by one query's attention; what the network itself ends in."""
    pixels: int
    """Side of the square that the network sees."""
    resized: int
    """Side that a tile is resized to before that square is cut from its middle."""
    um_px: float | None
    """Micrometres a pixel that it was trained at; of several, the one that is commonly used; None: not on slides."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    """Of each colour, of 1."""
    width: int
    """Features a tile."""
    licence: str
    """Of the weights."""
    access: Literal["free", "gated"]
    """gated: its owner hands the weights out to those who ask, so they are never looked for on a hub."""
    hub: Mapping[str, str] | None
    """Repository on Hugging Face, and the file in it; None: they have to be fetched by hand."""
    tcga: Literal["yes", "no", "unconfirmed"]
    """Whether slides of TCGA were among its training data, by its authors' word."""
    trained_on: str
    sources: tuple[str, ...]
    """Where all this stands: paper, model card, code."""
    unconfirmed: tuple[str, ...] = ()
    """Fields that no public source confirmed."""
    published_px: int = 0
    """Side that the weights are published for, where their positions have to be fitted to `pixels`; 0: the same."""
    ignores: tuple[str, ...] = ()
    """How tensors of the published file begin that no feature depends on, besides the classifier's."""

    def resolution(self, tile_um: float) -> str:
        """How it sees tiles of this side, where that is not how it was trained to; and what would be."""
        seen = tile_um / self.resized
        if self.um_px is None or abs(seen / self.um_px - 1) < 0.02:
            return ""
        right = f"tile_um: {self.resized * self.um_px}, tile_px: {self.resized}"
        return (
            f"{self.name} sees {seen:.2f} micrometres a pixel, as {self.resized} pixels of {tile_um:g} micrometres, "
            f"and was trained at {self.um_px:g}: `{right}` in the section slides of federation.yaml gives it that"
        )


@lru_cache(maxsize=1)
def encoders() -> dict[str, Encoder]:
    """Every encoder that goes by a name."""
    rows = json.loads(_TABLE.read_text(encoding="utf-8"))
    return {row["name"]: Encoder(**{key: _frozen(value) for key, value in row.items()}) for row in rows}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def origin_of(backbone: str) -> str:
    """What a backbone was trained on, and whether TCGA was among it: a model scored on TCGA must say so."""
    if backbone == STAIN:
        return "computed, not trained: it has no weights, so it has seen no slide"
    encoder = encoders().get(backbone)
    if encoder is None:
        return "not known to this version: see the model card of its weights for whether they were trained on TCGA"
    return f"trained on {encoder.trained_on}; {_TCGA[encoder.tcga]}"


_TCGA = {
    "yes": "slides of TCGA were among them, so scores on TCGA flatter it",
    "no": "by its authors' word not on TCGA",
    "unconfirmed": "whether slides of TCGA were among them could not be confirmed",
}
