"""The three federations that are measured, as site folders on disk: W1 small, W2 a big model, W3 many sites."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from modalities.core.contract import Source
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.settings.site import Policy, write_site

MODALITY = "hif"
N_FEATURES = 1333
_CLASSES = ("LumA", "LumB", "Basal", "Her2")
_W1_CASES = (21, 23, 27, 31, 36, 41, 47, 54, 62, 70, 79, 90, 102, 116, 131, 149)


@dataclass(frozen=True)
class Workload:
    """A federation to measure."""

    name: str
    cases: tuple[int, ...]
    """Training cases of each site."""
    hidden: tuple[int, ...]
    rounds: int
    """Rounds measured, after one that warms up."""
    goal: float
    """Most CPU time of a round, as a multiple of the floor's."""
    most_models: float | None
    """Most memory beyond the floor's, in models."""

    def federation(self, rounds: int) -> Federation:
        """Settings in which each round trains one epoch and scores the incoming weights on a held-out part.

        `masked_bits` is of masked weights; 0: without masks.
        """
        return federation_of_tables((MODALITY,), self.hidden, rounds)

    @property
    def model_mib(self) -> float:
        """Memory of one set of weights."""
        sizes = pairwise([N_FEATURES, *self.hidden, len(_CLASSES)])
        return sum(4 * (n_in + 1) * n_out for n_in, n_out in sizes) / 2**20

    def write(self, root: Path) -> Path:
        """The site folders, below `root`; what is there is kept."""
        folder, rng = root / self.name, np.random.default_rng(0)
        for number, n_cases in enumerate(self.cases, start=1):
            write_tables(folder, f"site_{number:04d}", n_cases, rng)
        return folder


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", _W1_CASES, (256, 64), 30, 1.25, None),
        Workload("W2", (27, 47, 79), (8192, 2048), 10, 1.25, 2.0),
        Workload("W3", (8,) * 1000, (256, 64), 6, 1.5, None),
    )
}


def federation_of_tables(
    modalities: Sequence[str], hidden: Sequence[int], rounds: int, masked_bits: int = 0
) -> Federation:
    """Each modality a table; each round trains one epoch and scores the incoming weights on a held-out part.

    `masked_bits` is of masked weights; 0: without masks.
    """
    section = {
        "kind": "table",
        "features": _features(),
        "hidden": list(hidden),
        "federated": {
            "strategy": "fedavg",
            "rounds": rounds,
            "local_epochs": 1,
            "optimiser": "adam",
            "lr": 1e-3,
            "batch_size": 32,
            "schedule": "constant",
            "patience": rounds,
        },
    }
    task, fusion = {"classes": list(_CLASSES)}, {"fit": "tune", "rounds": 1}
    sections = dict.fromkeys(modalities, section)
    privacy = {"privacy": {"masking": "required", "masked_bits": masked_bits}} if masked_bits else {}
    return federation_from({"seed": 0, "task": task, "fusion": fusion, "modalities": sections, **privacy})


def _features() -> list[str]:
    return [f"feature_{number}" for number in range(1, N_FEATURES + 1)]


def write_tables(
    root: Path, name: str, n_cases: int, rng: np.random.Generator, modalities: Sequence[str] = (MODALITY,)
) -> Path:
    """A site with a table for each modality; the values are drawn from 256 that a normal distribution is cut into."""
    folder = root / name
    normal = statistics.NormalDist()
    levels = np.array([f"{normal.inv_cdf((level + 0.5) / 256):.3f}" for level in range(256)], dtype=object)
    values = {modality: levels[rng.integers(0, 256, (n_cases, N_FEATURES))] for modality in modalities}
    labels = rng.choice(len(_CLASSES), n_cases)
    if (folder / "site.yaml").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    case_ids = [f"{name}-case-{number:03d}" for number in range(1, n_cases + 1)]
    sources = {}
    for modality, own in values.items():
        lines = [",".join(["case_id", *_features()])]
        lines += [",".join([case_id, *row]) for case_id, row in zip(case_ids, own, strict=True)]
        (folder / f"{modality}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        sources[modality] = Source((folder / f"{modality}.csv",))
    cases = pd.DataFrame({"case_id": case_ids, "label": [_CLASSES[label] for label in labels], "split": "train"})
    write_site(folder, name, cases, sources, Policy(min_cohort=0, min_cell=0))
    return folder
