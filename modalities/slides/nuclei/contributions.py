"""What each tile of a slide adds to a branch's prediction of one class."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from modalities.core.contract import Source
from modalities.core.problems import unusable
from modalities.slides.bags import SlideTiles
from modalities.slides.config import SlidesConfig
from modalities.slides.reading.source import read_case_by_case


@dataclass(frozen=True)
class Contributions:
    """Of the tiles of one slide. The slide's name stays at the site."""

    slide: SlideTiles
    share: Float[np.ndarray, " tile"]
    """What the tile adds; over all tiles of all slides of the case this is `of` without the class's bias."""
    of: str
    """What the shares add up to, in words."""
    node: Int64[np.ndarray, " tile"] | None = None
    """The node of the case's graph that the tile belongs to; tiles of a node share its contribution out evenly."""


def by_slide(
    slides: tuple[SlideTiles, ...], share: Float[np.ndarray, " tile"], of: str, node: np.ndarray | None = None
) -> list[Contributions]:
    """The shares of all tiles of a case, slide after slide, as those of each slide."""
    ends = np.cumsum([len(slide.tiles) for slide in slides])
    parts = [slice(end - len(slide.tiles), end) for slide, end in zip(slides, ends, strict=True)]
    return [
        Contributions(slide, share[part], of, None if node is None else node[part])
        for slide, part in zip(slides, parts, strict=True)
    ]


def slides_of_case(source: Source, config: SlidesConfig, case_id: str) -> tuple[SlideTiles, ...]:
    """The slides of one case.

    Raises:
        ValueError: it has none.
    """
    for _, slides in read_case_by_case(source, config, Counter(), only=case_id):
        return slides
    raise unusable(f"no slide of case {case_id!r}", "`tessera-client prepare` says what became of each slide")
