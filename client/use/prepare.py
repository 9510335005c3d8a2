"""`tessera-client prepare`: a site's slides become tile features before a study asks for them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import ProgressColumn, Task
from rich.table import Table
from rich.text import Text

from modalities.core.console import progress_of
from modalities.core.contract import Source
from modalities.core.settings.federation import Federation
from modalities.core.site.cases import case_ids_of, open_sources
from modalities.slides.backbones.table import encoders
from modalities.slides.config import SlidesConfig
from modalities.slides.reading.source import needs_extra

if TYPE_CHECKING:
    from modalities.slides.backbones import Backbone
    from modalities.slides.prepare.pace import Pace
    from modalities.slides.prepare.tables import Shard

_SHOWN = 20


@dataclass(frozen=True)
class Recipe:
    """Slides to prepare alike, for one modality or for several."""

    modalities: tuple[str, ...]
    source: Source
    config: SlidesConfig


def recipes_of(sources: Mapping[str, Source], federation: Federation | None) -> list[Recipe]:
    """What to prepare: each source under the recipe of its modality, or the default where no federation is given.

    Raises:
        ValueError: the site has no slides, or the federation no slide modality that the site has a source for.
    """
    wanted: dict[str, tuple[Source, SlidesConfig]] = {}
    for name, source in sources.items():
        if federation is None and name.startswith("wsi"):
            wanted[name] = source, SlidesConfig()
        elif federation is not None and name in federation.modalities:
            config = getattr(federation.modalities[name], "slides", None)
            wanted |= {name: (source, config)} if isinstance(config, SlidesConfig) else {}
    if not wanted:
        raise ValueError(
            "no slides to prepare: sources in site.yaml must have the name of a slide modality"
            + (" of the federation" if federation else ", such as wsi_image")
        )
    merged: list[Recipe] = []
    for name, (source, config) in wanted.items():
        same = [recipe for recipe in merged if (recipe.source.paths, recipe.config) == (source.paths, config)]
        for recipe in same:
            merged[merged.index(recipe)] = Recipe((*recipe.modalities, name), source, config)
        merged += [] if same else [Recipe((name,), source, config)]
    return merged


@needs_extra
def prepare_site(
    folder: Path, federation: Federation | None, workers: int, console: Console, shard_text: str = ""
) -> int:
    """Prepare every slide of the site and say what became of each; the number of slides that failed.

    Of a shard, such as `3/16`, only its part, without the contact sheet: that is of all slides.

    Raises:
        ValueError: the site has no slides, slides.csv is wrong, or the cache cannot be written.
    """
    from modalities.slides.backbones import backbone_of
    from modalities.slides.prepare.pace import Pace
    from modalities.slides.prepare.tables import shard_of
    from modalities.slides.reading.manifest import listed_files, listed_only

    shard = shard_of(shard_text)
    site, sources = open_sources(folder)
    cases = set(case_ids_of(folder, site))
    n_failed = 0
    for recipe in recipes_of(sources, federation):
        backbone = backbone_of(recipe.config, recipe.source.slides.weights, recipe.source.device)
        _announce(recipe, backbone, console)
        listed, pace = listed_only(listed_files(recipe.source), cases), Pace()
        states = [state for _, state in _followed(recipe, listed, workers, console, pace, shard)]
        _summarise(states, console)
        _say_pace(pace, console)
        if shard is None:
            _write_sheet(recipe, site.name, states, console)
        n_failed += sum(state.state == "failed" for state in states)
    return n_failed


def _write_sheet(recipe: Recipe, site: str, states: Sequence, console: Console) -> None:
    from modalities.slides.cases import cache_of
    from modalities.slides.prepare.sheet import write_sheet

    sheet = cache_of(recipe.source) / f"contact_sheet_{'_'.join(recipe.modalities)}.html"
    write_sheet(sheet, site, states, cache_of(recipe.source))
    console.print(f"contact sheet: {escape(str(sheet))}", soft_wrap=True, highlight=False)


def _announce(recipe: Recipe, backbone: "Backbone", console: Console) -> None:
    """Which network begins, under which licence, and what of it other sites may have otherwise."""
    name = backbone.name
    console.print(f"{', '.join(recipe.modalities)}: backbone {name} ({backbone.licence})", highlight=False)
    encoder = encoders().get(name)
    notes = [encoder.resolution(recipe.config.tile_um)] if encoder else []
    if backbone.digest and not recipe.config.weights_digest:
        said = (
            f"`weights_digest: {backbone.digest}` in the section slides of federation.yaml makes all use these weights"
        )
        notes.append(f"nothing holds other sites to the same file of weights: {said}")
    for note in filter(None, notes):
        console.print(note, soft_wrap=True, highlight=False, markup=False)


def _followed(
    recipe: Recipe, listed: Sequence, workers: int, console: Console, pace: "Pace", shard: "Shard | None"
) -> Iterator[tuple]:
    """The slides as they get done, with a progress bar."""
    from modalities.slides.cases import prepare_slides

    mine = shard.of_slides(listed) if shard else listed
    with progress_of(console, _Speed(pace), transient=True) as progress:
        task = progress.add_task("slides", total=len(mine))
        for entry, state in prepare_slides(listed, recipe.source, recipe.config, workers, True, pace, shard):
            progress.advance(task)
            yield entry, state


class _Speed(ProgressColumn):
    """Tiles a second of late, and what holds up the rest."""

    def __init__(self, pace: "Pace") -> None:
        """Of a pace that is kept meanwhile."""
        super().__init__()
        self._pace = pace

    def render(self, task: Task) -> Text:
        """Nothing is known before the first tiles are done."""
        del task
        slowest = f", slowest: {self._pace.slowest}" if self._pace.slowest else ""
        return Text(f"{self._pace.tiles_s_lately:,.0f} tiles/s{slowest}")


def _say_pace(pace: "Pace", console: Console) -> None:
    """How fast it went, if anything was to be done."""
    if pace.n_tiles:
        waits = "" if pace.device_waits is None else f"; the network waited {pace.device_waits:.0%} of the time"
        said = f"{pace.n_tiles} tiles encoded, {pace.tiles_s:.1f} a second; slowest stage: {pace.slowest}{waits}"
        console.print(said, highlight=False, soft_wrap=True)


def _summarise(states: Sequence, console: Console) -> None:
    """How many slides went which way, and what to look at."""
    counts = Counter(state.state for state in states)
    with_tiles = {state.case_id for state in states if state.state == "done"}
    console.print(
        f"{counts['done']} slides done ({len(with_tiles)} cases, {sum(state.n_tiles for state in states)} tiles), "
        f"{counts['excluded']} excluded, {counts['failed']} failed",
        highlight=False,
    )
    to_see = sorted((state for state in states if state.state != "done"), key=lambda state: (state.state, state.slide))
    to_see.reverse()  # failed ones first
    if to_see:
        table = Table("slide", "case", "state", "reason")
        for state in to_see[:_SHOWN]:
            table.add_row(*(escape(text) for text in (state.slide, state.case_id or "-", state.state, state.reason)))
        console.print(table)
    if len(to_see) > _SHOWN:
        console.print(f"and {len(to_see) - _SHOWN} more: see states.csv beside the contact sheet")
