"""What the plug-ins that read slides offer alike: the slides that cannot be read, and made-up ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modalities.core.contract import Cases, Source
from modalities.core.hooks import Plausibility
from modalities.core.problems import Problem

EXAMPLE_FOLDER = "slides"
"""Where made-up slides lie: the modalities that read slides share them."""


def recognised(path: Path) -> str:
    """Whether it is a slide, features of its tiles, or the list of slides."""
    from modalities.slides.reading.folder import kind_of

    kind = kind_of(path)
    return "" if kind == "features" and is_embedding(path) else kind


def is_embedding(path: Path) -> bool:
    """Whether a feature file holds one vector a slide; False where the packages of the `slides` extra are not there."""
    try:
        from modalities.slides.features.embeddings import holds_embeddings
    except ImportError:
        return False
    return holds_embeddings(path)


def unreadable(source: Source, config: Any) -> list[Problem]:
    """The slides and feature files that cannot be read, each with its reason: `read` goes on without them.

    All of them are prepared for that.
    """
    from modalities.slides.cases import prepare_slides
    from modalities.slides.prepare.state import FAILED
    from modalities.slides.reading.manifest import listed_files

    found = prepare_slides(listed_files(source), source, config.slides)
    failed = [(entry.path.name, state) for entry, state in found if state.state == FAILED]
    return [_problem(file, state.slide, state.reason) for file, state in failed]


def _problem(file: str, slide: str, reason: str) -> Problem:
    what = reason.removeprefix(f"{file}: ")
    return Problem(what, where=slide if what == reason else file)


def plausibility(source: Source, cases: Cases, config: Any) -> Plausibility:
    """Whether the slides can be what they are said to be, and what became of each."""
    from modalities.slides.plausible import plausibility as of_slides  # needs the `slides` extra

    return of_slides(source, config.slides)


def write_example(folder: Path, case_ids: Sequence[str], classes: Sequence[int], rng: np.random.Generator) -> Source:
    """A made-up slide a case; those that stand in the folder already are left as they are."""
    from modalities.slides.synthetic import write_slides  # needs the `slides` extra

    write_slides(folder, case_ids, classes, rng)
    return Source((folder,))
