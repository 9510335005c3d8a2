"""Whether slides can be what they are said to be, and what became of each file."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from modalities.core.contract import Source
from modalities.core.files.tables.delimited import listing
from modalities.core.hooks import Plausibility, Quantity, RawFile
from modalities.core.plausible.rules import Rule, judged
from modalities.core.problems import Problem, warning
from modalities.slides.cases import cache_of, file_of, prepare_slides
from modalities.slides.config import SlidesConfig
from modalities.slides.features.outline import Outline, outline_of
from modalities.slides.prepare.job import fingerprint
from modalities.slides.prepare.state import DONE, EXCLUDED, FAILED, SlideState
from modalities.slides.reading.handles import open_handle
from modalities.slides.reading.manifest import Listed, listed_files
from modalities.slides.reading.reading import mpp_of

FINEST, COARSEST = 0.1, 1.1
"""Micrometres a pixel of scanners: 100x is .1, 10x is 1."""
LEAST_NUCLEI = 3.0
"""Of a tile, in the mean. Real tiles of 128 micrometres have 32 to 98 (two slides, at a quarter to four times their
resolution, which therefore does not show in the nuclei)."""
_APART = 1.1
_STATES = {DONE: "used", EXCLUDED: "left out"}
_REMEDY = "correct `mpp` in slides.csv, or `slides.default_mpp` in site.yaml (20x is about 0.5, 40x about 0.25)"
RULES = (
    Rule(
        ("mpp",),
        lambda slides: ~slides["mpp"].between(FINEST, COARSEST),
        f"a pixel is smaller than {FINEST:g} or larger than {COARSEST:g} micrometres",
        "no scanner makes such slides: the magnification may stand where micrometres a pixel should",
        _REMEDY,
    ),
    Rule(
        ("mpp", "own"),
        lambda slides: ~(slides["mpp"] / slides["own"]).between(1 / _APART, _APART),
        "slides.csv gives another size of a pixel than the slide's own metadata",
        "one of the two is wrong, and slides.csv counts",
        _REMEDY,
    ),
    Rule(
        ("nuclei",),
        lambda slides: slides["nuclei"] < LEAST_NUCLEI,
        f"fewer than {LEAST_NUCLEI:g} nuclei a tile",
        "no haematoxylin and eosin stain, no tissue, or a picture of something else",
        "look at the slides",
        usual=0.2,
    ),
)


def plausibility(source: Source, config: SlidesConfig) -> Plausibility:
    """Of slides that are prepared; nothing where the source itself cannot be read, which `read` says."""
    found: list[tuple[Listed, SlideState]] = []
    with suppress(ValueError):
        found = sorted(prepare_slides(listed_files(source), source, config), key=lambda pair: pair[0].path.name)
    if not found:
        return Plausibility()
    facts = pd.DataFrame(
        [_facts(entry, state, source) for entry, state in found],
        index=pd.Index([_called(entry) for entry, _ in found]),
    )
    problems = [*judged(RULES, facts, noun="slides"), *_same_slide(found)]
    quantities = [
        Quantity("micrometres a pixel", "at level 0", facts["mpp"].to_numpy(dtype=np.float64), FINEST, COARSEST),
        Quantity("nuclei a tile", "in the mean", facts["nuclei"].to_numpy(dtype=np.float64), LEAST_NUCLEI),
    ]
    files = [_file(entry, state, source) for entry, state in found]
    return Plausibility(problems, [one for one in quantities if np.isfinite(one.values).any()], files=files)


def _called(entry: Listed) -> str:
    """Its file, or its name where that is not the file's."""
    return entry.path.name if entry.path.name.startswith(entry.slide) else entry.slide


def _facts(entry: Listed, state: SlideState, source: Source) -> dict[str, float]:
    """Micrometres a pixel that count, and those of the file itself where slides.csv has some too; nuclei a tile."""
    outline = _outline(entry, state, source)
    own = _own_mpp(entry.path) if entry.mpp and not entry.is_features else 0.0
    default = source.slides.default_mpp if entry.is_features and outline else 0.0
    return {
        "mpp": entry.mpp or (outline.mpp if outline else 0.0) or default or np.nan,
        "own": own or np.nan,
        "nuclei": outline.nuclei if outline else np.nan,
    }


def _own_mpp(path: Path) -> float:
    try:
        handle = open_handle(path)
    except ValueError:
        return 0.0
    try:
        return mpp_of(handle)
    finally:
        handle.close()


def _outline(entry: Listed, state: SlideState, source: Source) -> Outline | None:
    if state.state != DONE:
        return None
    try:
        return outline_of(file_of(entry, state, source))
    except ValueError:
        return None


def _file(entry: Listed, state: SlideState, source: Source) -> RawFile:
    picture = (cache_of(source) / state.recipe / state.file).with_suffix(".jpg") if state.file else None
    seen = picture if picture is not None and not entry.is_features and picture.is_file() else None
    return RawFile(
        _called(entry), source.called(state.case_id), _STATES.get(state.state, "not readable"), state.reason, seen
    )


def _same_slide(found: Sequence[tuple[Listed, SlideState]]) -> list[Problem]:
    """One file's content under two cases."""
    owners: dict[str, dict[str, str]] = {}
    for entry, state in found:
        if state.state != FAILED and state.case_id and not entry.left_out and entry.path.is_file():
            owners.setdefault(fingerprint(entry.path), {})[state.case_id] = _called(entry)
    twice = [
        ", ".join(f"{name} of {case_id}" for case_id, name in own.items()) for own in owners.values() if len(own) > 1
    ]
    if not twice:
        return []
    what = f"the very same slide under two cases ({listing(twice)}): one patient under two ids, or a wrong file name"
    return [warning(what, "keep it under the case that it is of")]
