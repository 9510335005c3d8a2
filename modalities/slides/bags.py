"""The tiles of a slide as features: what the modalities get."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32, Int64


@dataclass(frozen=True)
class TileFeatures:
    """The tiles of one slide as features."""

    features: Float32[np.ndarray, "tile feature"]
    coords: Int64[np.ndarray, "tile 2"] | None
    """x and y of the upper left corner in pixels of level 0; None for a CLAM .pt file without its .h5."""
    side0: int = 0
    """Side of a tile in pixels of level 0; 0 where the file does not say."""
    mpp: float = 0.0
    """Micrometres a pixel of level 0; 0 where the file does not say."""
    names: tuple[str, ...] = ()
    """Of the features; empty for a backbone whose features have none."""
    tissue: Float32[np.ndarray, " tile"] | None = None
    """Share of tissue of each tile."""
    composition: Float32[np.ndarray, "tile class"] | None = None
    """Nuclei of each class in each tile."""
    classes: tuple[str, ...] = ()
    """Names of the nuclear classes."""
    size0: tuple[int, int] = (0, 0)
    """Width and height of level 0; 0 where the file does not say."""
    about: dict[str, str] = field(default_factory=dict)
    """What else is known of how they were made."""

    def __len__(self) -> int:
        return len(self.features)

    def select(self, rows: np.ndarray | slice) -> "TileFeatures":
        """Some of the tiles."""
        kept = {
            name: None if (held := getattr(self, name)) is None else held[rows]
            for name in ("features", "coords", "tissue", "composition")
        }
        return replace(self, **kept)


@dataclass(frozen=True)
class SlideTiles:
    """One slide of a case. The slide's name stays at the site."""

    case_id: str
    slide: str
    """File name without its ending."""
    tiles: TileFeatures
