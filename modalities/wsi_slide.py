"""Whole slides as one vector each: embeddings that slide encoders such as TITAN, PRISM or CHIEF have made of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from modalities.core.blocks.ragged import scaled
from modalities.core.blocks.tabular import TabularConfig, build_encoder, collate, finalise, sums
from modalities.core.contract import Cases, Source, State
from modalities.core.fields import settings
from modalities.core.files.tables.delimited import listing
from modalities.core.hooks import Plausibility, RawFile
from modalities.core.problems import Problem, check, unusable
from modalities.slides.features.stores import table_in
from modalities.slides.plugin import is_embedding
from modalities.slides.reading.folder import kind_of
from modalities.slides.reading.manifest import Listed, case_of_name, listed_files
from modalities.slides.reading.source import needs_extra

if TYPE_CHECKING:
    from modalities.slides.features.embeddings import SlideEmbedding

__all__ = ["PRESETS", "Config", "build_encoder", "collate", "finalise", "plausibility", "prepare", "pretrained", "read"]
__all__ += ["recognised", "sums", "unreadable", "write_example"]

PRESETS: Mapping[str, Mapping[str, Any]] = {}
_WIDTH = 24  # of the made-up embeddings


@settings
class Config(TabularConfig):
    """Section `modalities.wsi_slide` of federation.yaml; the default is linear."""

    encoder: str = ""
    """The slide encoder that all sites use, such as `titan`; a file that names another is an error. Empty asks only
    that the files of a site agree."""


class _Slide(NamedTuple):
    """A slide of the source, and its embedding or why it has none."""

    name: str
    case_id: str
    embedding: "SlideEmbedding | None" = None
    cause: str = ""
    """Of those left out, as the notes count it."""
    problem: Problem | None = None
    """Of those that cannot be read."""


@needs_extra
def read(source: Source, config: Config) -> Cases:
    """The embedding of each case; of several slides, the mean, each weighing the same.

    Raises:
        ValueError: there is nothing to read, slides.csv is wrong, no file could be read (with the reasons), or the
            files are of several encoders.
    """
    slides = _slides(source)
    held: dict[str, list[_Slide]] = {}
    for slide in slides:
        if slide.embedding is not None:
            held.setdefault(slide.case_id, []).append(slide)
    if not held:
        reasons = [str(slide.problem) if slide.problem else slide.cause for slide in slides]
        raise unusable(f"no slide embedding could be used: {listing(reasons)}")
    check(_mixed([slide for own in held.values() for slide in own], config))
    values = np.stack([_mean(held[case_id]) for case_id in sorted(held)])
    notes = Counter(f"slides left out ({slide.cause})" for slide in slides if slide.cause)
    unread = sum(slide.problem is not None for slide in slides)
    return Cases(tuple(sorted(held)), values, notes={**notes, "slides that could not be read": unread})


def prepare(cases: Cases, state: State, config: Config) -> Float[Tensor, "case feature"]:
    """The embeddings in standard deviations, cut to +-clip.

    Raises:
        ValueError: they have another length than those of the other sites.
    """
    return scaled(np.asarray(cases.values), state, config.clip)


def pretrained(config: Config) -> str:
    """The slide encoder, as far as the settings name it."""
    return f"{config.encoder or 'a slide encoder that federation.yaml does not name'}: see its own model card"


def recognised(path: Path) -> str:
    """Whether it holds slide embeddings, or is the list of slides."""
    kind = kind_of(path)
    return "slide embeddings" if kind == "features" and is_embedding(path) else "list" if kind == "list" else ""


@needs_extra
def unreadable(source: Source, config: Config) -> list[Problem]:
    """The files that `read` goes on without."""
    return [slide.problem for slide in _slides(source) if slide.problem]


@needs_extra
def plausibility(source: Source, cases: Cases, config: Config) -> Plausibility:
    """What became of each slide."""
    files = [
        RawFile(
            slide.name,
            slide.case_id,
            "used" if slide.embedding is not None else "not readable" if slide.problem else "left out",
            slide.cause or (str(slide.problem) if slide.problem else ""),
        )
        for slide in (_slides(source) if cases.case_ids else [])
    ]
    return Plausibility(files=files)


def write_example(folder: Path, case_ids: Sequence[str], classes: Sequence[int], rng: np.random.Generator) -> Source:
    """A made-up embedding a case, in TRIDENT's layout; a class shifts some of the numbers."""
    import h5py  # of the `slides` extra

    target = folder / "slide_features_made_up"
    target.mkdir(parents=True, exist_ok=True)
    for case_id, label in zip(case_ids, classes, strict=True):
        centre = np.random.default_rng([43, label]).normal(0, 0.6, _WIDTH)
        with h5py.File(target / f"{case_id}.h5", "w") as file:
            file["features"] = (centre + rng.normal(0, 1, _WIDTH)).astype(np.float32)
    return Source((target,))


def _slides(source: Source) -> list[_Slide]:
    """Every slide of the source, those of STAMP's file of all slides one by one."""
    listed = listed_files(source)
    owners = {entry.slide: entry.case_id for entry in listed if entry.case_id}
    slides = [slide for entry in listed for slide in _of_file(entry, owners, source)]
    embedded = {name for slide in slides if slide.embedding is not None for name in _names(slide.name)}
    return [slide for slide in slides if slide.embedding is not None or embedded.isdisjoint(_names(slide.name))]


def _names(name: str) -> tuple[str, str]:
    """With and without what may be an ending, or the last part of a TCGA name."""
    return name, Path(name).stem


def _of_file(entry: Listed, owners: Mapping[str, str], source: Source) -> list[_Slide]:
    from modalities.slides.features.arrays import FeatureFileError
    from modalities.slides.features.embeddings import read_embeddings

    name = entry.path.name
    if entry.is_unreadable:
        return [_Slide(name, entry.case_id, problem=Problem(entry.left_out, file=name))]
    if not entry.is_features:
        return [_Slide(name, entry.case_id, cause=entry.left_out or "no embedding of it is there")]
    try:
        held = read_embeddings(table_in(entry.path, source.columns.get("features", "")))
    except FeatureFileError as error:
        return [
            _Slide(name, entry.case_id, cause=entry.left_out, problem=None if entry.left_out else error.problems[0])
        ]
    if [embedding.slide for embedding in held] != [entry.slide]:
        return [_of_many(embedding, owners, source) for embedding in held]
    return [_Slide(name, entry.case_id, None if entry.left_out else held[0], entry.left_out)]


def _of_many(embedding: "SlideEmbedding", owners: Mapping[str, str], source: Source) -> _Slide:
    name = embedding.slide
    if owner := next((owners[known] for known in _names(name) if known in owners), ""):
        return _Slide(name, owner, embedding)
    case_id = case_of_name(name)
    if case_id is None:
        return _Slide(name, "", cause="no primary tumour, by its barcode")
    return _Slide(name, source.called(case_id), embedding)


def _mean(slides: Sequence[_Slide]) -> Float[np.ndarray, " feature"]:
    vectors = [slide.embedding.values for slide in slides if slide.embedding is not None]
    return np.stack(vectors).astype(np.float64).mean(axis=0).astype(np.float32)


def _mixed(slides: Sequence[_Slide], config: Config) -> list[Problem]:
    """What the files disagree in: the encoder that they name, or the length of the vectors."""
    encoders: dict[str, list[str]] = {}
    widths: dict[str, list[str]] = {}
    for name, _, embedding, *_ in slides:
        if embedding is not None:
            widths.setdefault(f"{len(embedding.values)} numbers", []).append(name)
            encoders.setdefault(embedding.encoder.casefold(), []).append(name)
    encoders.pop("", None)
    wanted = config.encoder.casefold()
    others = {encoder: names for encoder, names in encoders.items() if encoder != wanted}
    problems = []
    if len(encoders) > 1:
        what = f"embeddings of {len(encoders)} encoders: {_named(encoders)}"
        problems.append(Problem(what, "keep the files of the encoder that the study agreed on"))
    elif wanted and others:
        what = f"the study's encoder is {config.encoder!r}, and the files are of {_named(others)}"
        problems.append(Problem(what, "extract them with the study's encoder"))
    if len(widths) > 1:
        what = f"embeddings of {len(widths)} lengths: {_named(widths)}"
        problems.append(Problem(what, "keep the files of one encoder"))
    return problems


def _named(groups: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{name} ({listing(names)})" for name, names in groups.items())
