"""Made-up sites in real file formats: for the demo, the tests, and a `flwr run` that names no data."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from modalities.core.contract import Source
from modalities.core.registry import plugin
from modalities.core.seeds import seed_of
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import Policy, write_site

_MISSING_CASES = 0.1
_TEST_SHARE = 0.3


def write_example_site(
    root: Path,
    federation: Federation,
    number: int,
    n_cases: int = 40,
    modalities: Sequence[str] | None = None,
    shuffle_labels: bool = False,
    name: str = "",
) -> Path:
    """Site `number` below the root, made from the federation's seed: the same call writes the same files.

    Without `modalities` the site holds all of the federation's but one, a different one from site to site. About a
    tenth of the cases lack each modality. `shuffle_labels` breaks the link between labels and data. Without `name` it
    is called by its number.
    """
    name = name or f"site_{number + 1}"
    folder = root / name
    if (folder / "site.yaml").is_file():
        return folder
    rng = np.random.default_rng(seed_of(federation.seed, name, "example"))
    held = list(federation.modalities) if modalities is None else list(modalities)
    if modalities is None and len(held) > 1:
        held.pop(number % len(held))
    classes = _classes(rng, n_cases, federation.n_classes)
    case_ids = [f"{name}-case-{case + 1:03d}" for case in range(n_cases)]
    sources = _write_sources(folder, federation, held, case_ids, classes, rng)
    labels = rng.permutation(classes) if shuffle_labels else classes
    cases = pd.DataFrame(
        {
            "case_id": case_ids,
            federation.task.label: [federation.task.classes[label] for label in labels],
            "split": np.where(rng.random(n_cases) < _TEST_SHARE, "test", "train"),
        }
    )
    write_site(folder, name, cases, sources, Policy(min_cohort=0, min_cell=0))
    return folder


def example_features(kind: str) -> list[str]:
    """The columns of a kind's made-up data; empty for a kind whose data has none."""
    with tempfile.TemporaryDirectory() as folder:
        module = plugin(kind)
        source = module.write_example(Path(folder), ["case-1", "case-2"], [0, 1], np.random.default_rng(0))
        return list(module.read(source, module.Config(kind=kind)).features)


def _classes(rng: np.random.Generator, n_cases: int, n_classes: int) -> np.ndarray:
    """Class indices with a frequency that falls from class to class and differs between sites."""
    frequency = rng.dirichlet(np.linspace(6, 3, n_classes) * 3)
    drawn = rng.choice(n_classes, n_cases, p=frequency)
    drawn[:n_classes] = np.arange(n_classes)[: len(drawn)]
    return rng.permutation(drawn)


def _write_sources(
    folder: Path,
    federation: Federation,
    held: Sequence[str],
    case_ids: Sequence[str],
    classes: np.ndarray,
    rng: np.random.Generator,
) -> Mapping[str, Source]:
    """The raw files of each modality; those whose plug-in names an EXAMPLE_FOLDER share it, and the cases in it."""
    sources, kept = {}, {}
    for modality in held:
        module = plugin(federation.modalities[modality].kind)
        name = getattr(module, "EXAMPLE_FOLDER", modality)
        if name not in kept:
            kept[name] = np.flatnonzero(rng.random(len(case_ids)) >= _MISSING_CASES)
        own_cases, own_classes = [case_ids[int(row)] for row in kept[name]], [int(classes[row]) for row in kept[name]]
        sources[modality] = module.write_example(folder / name, own_cases, own_classes, rng)
    return sources
