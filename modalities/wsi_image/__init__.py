"""Whole slides as bags of tile features."""

from collections import Counter
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from modalities.core.blocks.branch import Branch
from modalities.core.blocks.ragged import finalise_rows, means_of_rows, scaled, sums_of_rows
from modalities.core.blocks.streamed import Scale, ScaledRows, one_after_the_other
from modalities.core.contract import Cases, Source, State, Sums
from modalities.core.files.rows import Rows
from modalities.slides.backbones.table import origin_of
from modalities.slides.nuclei.contributions import Contributions, by_slide, slides_of_case
from modalities.slides.plugin import EXAMPLE_FOLDER, plausibility, recognised, unreadable, write_example
from modalities.slides.reading.source import read_case_by_case
from modalities.slides.stored import bags_of

from .config import PRESETS, Config
from .network import Bags, TileEncoder, pooling_named

__all__ = ["EXAMPLE_FOLDER", "PRESETS", "Config", "build_encoder", "collate", "explain", "finalise", "prepare", "read"]
__all__ += ["plausibility", "recognised", "sums", "unreadable", "vectors", "write_example"]


def read(source: Source, config: Config) -> Cases:
    """The tile features of each case, of all its slides; slides not prepared yet are prepared now.

    Of many tiles, the place where they lie: see `modalities.slides.stored`.

    Raises:
        ValueError: what `modalities.slides.reading.source.read_case_by_case` says, or a case's feature files differ in
            width.
    """
    notes: Counter[str] = Counter()
    bags = bags_of(read_case_by_case(source, config.slides, notes))
    return Cases(tuple(bags), list(bags.values()), notes=dict(notes))


def sums(cases: Cases, config: Config) -> Sums:
    """Moments of the tile features; a case counts as one, whatever its tiles."""
    return sums_of_rows(cases.values)


def finalise(total: Sums, config: Config) -> State:
    """Mean and inverse standard deviation of each tile feature."""
    return finalise_rows(total)


def prepare(cases: Cases, state: State, config: Config) -> Tensor | list[Tensor | ScaledRows]:
    """Scaled tiles of each case, or what reads them so; where only their mean matters, that mean: [case, feature]."""
    scale = Scale.of(state, config.clip)
    bags = (
        ScaledRows(bag, scale) if isinstance(bag, Rows) else scaled(bag, state, config.clip) for bag in cases.values
    )
    if not pooling_named(config.pooling).of_means:
        return list(bags)
    means = [bag.mean() if isinstance(bag, ScaledRows) else bag.mean(dim=0) for bag in bags]
    return torch.stack(means) if means else torch.zeros(0, len(state["mean"]))  # a round then costs what a table's does


def collate(prepared: Tensor | list[Tensor | ScaledRows], rows: Int64[Tensor, " batch"]) -> Bags:
    """The bags of these rows, one after the other."""
    if isinstance(prepared, Tensor):
        return Bags.of(prepared[rows], [1] * len(rows))
    chosen = [prepared[row] for row in rows.tolist()]
    return Bags.of(one_after_the_other(chosen), [len(bag) for bag in chosen])


def vectors(cases: Cases) -> Float[np.ndarray, "case feature"]:
    """The mean of each case's tiles: what a model of vectors can make of it."""
    return means_of_rows(cases.values)


def pretrained(config: Config) -> str:
    """The backbone of the tiles, and what it was trained on."""
    return f"{config.slides.backbone}: {origin_of(config.slides.backbone)}"


def build_encoder(config: Config, state: State) -> nn.Module:
    """A network over tiles, and the pooling of the settings."""
    return pooling_named(config.pooling)(len(state["mean"]), config)


def explain(
    source: Source, config: Config, state: State, branch: Branch, case_id: str, label: int | None
) -> tuple[int, list[Contributions]]:
    """What each tile of a case adds to a class, by default to the one that the branch predicts; and that class.

    Raises:
        ValueError: the case has no slide.
    """
    slides = slides_of_case(source, config.slides, case_id)
    tiles = scaled(np.concatenate([slide.tiles.features for slide in slides]), state, config.clip)
    encoder = cast(TileEncoder, branch.eval().encoder)
    logits = branch(Bags.of(tiles, [len(tiles)]))[1]
    shown = int(logits[0].argmax()) if label is None else label
    share = encoder.contributions(tiles, branch.head, shown)
    return shown, by_slide(slides, share.double().numpy(), encoder.contribution_of)
