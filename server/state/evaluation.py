"""What the evaluation has gathered so far: raw sums, from which its numbers follow."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modalities.core.files.atomic import write_json
from strategies.evaluation.computed import Evaluated, results_of
from strategies.evaluation.names import FEDERATED
from strategies.evaluation.results import EvaluationResults, Gain

if TYPE_CHECKING:
    import server.state.study

EVALUATION_FILE = "evaluation.json"
"""Of a release that was scored without training, beside the checkpoint: as `evaluation` in a release's model.json."""
Arrays = dict[str, np.ndarray]


@dataclass
class Evaluation:
    """As far as it is; strategies/evaluation/names.py names the arrays."""

    counts: Arrays = field(default_factory=dict)
    """Cases by class of all sites together, under masks; empty: not asked yet."""
    sums: Arrays = field(default_factory=dict)
    """Tallies and gains of all sites together; empty: not asked yet."""
    told: dict[str, Arrays] = field(default_factory=dict)
    """Site -> its own results, where its policy lets them out."""
    shares: dict[str, str] = field(default_factory=dict)
    """Site -> its `policy.evaluation`, of those that said it."""
    external: list[str] = field(default_factory=list)
    """The sites that only evaluate."""
    done: bool = False

    def groups(self) -> dict[str, Arrays]:
        """The arrays for the checkpoint, by owner."""
        return {"counts": self.counts, "sums": self.sums, **{f"told.{site}": own for site, own in self.told.items()}}

    def plain(self) -> dict[str, Any]:
        """The rest for the checkpoint."""
        return {"shares": self.shares, "external": self.external, "done": self.done}

    @staticmethod
    def restored(groups: Mapping[str, Arrays], plain: Mapping[str, Any]) -> "Evaluation":
        """The inverse of both."""
        told = {owner.removeprefix("told."): own for owner, own in groups.items() if owner.startswith("told.")}
        return Evaluation(dict(groups.get("counts", {})), dict(groups.get("sums", {})), told, **plain)


def summary_of(results: EvaluationResults) -> dict[str, Any]:
    """What a status has room for: of the test cases macro-AUROCs by SET and model, and what the sites gain."""
    sets = dict.fromkeys(of for own in results.test.values() for of in own)
    return {
        of: {
            "n": max(own[of].n for own in results.test.values() if of in own),
            **{model: asdict(own[of].macro_auroc) for model, own in results.test.items() if of in own},
            **({"gain": _summary_of_gain(results.gain["test"][of])} if of in results.gain["test"] else {}),
        }
        for of in sets
    }


def _summary_of_gain(gain: Gain) -> dict[str, Any]:
    sites = {"sites": gain.sites, "sites_that_gain": gain.sites_that_gain}
    return {**asdict(gain.macro_auroc), **sites, "verdict": gain.verdict, "margin": gain.margin}


def write_evaluation(folder: Path, study: "server.state.study.StudyState") -> None:
    """evaluation.json, where there is a number of the federated model in it."""
    results = results_in(study)
    if results is not None and results.test[FEDERATED]:
        write_json(folder / EVALUATION_FILE, results.to_plain())


def results_in(study: "server.state.study.StudyState") -> EvaluationResults | None:
    """The numbers of a finished evaluation; None where there is none."""
    own, federation = study.evaluation, study.federation
    if not own.done:
        return None
    return results_of(
        Evaluated(
            sums={**own.counts, **own.sums},
            told=own.told,
            shares=own.shares,
            external=own.external,
            modalities=list(federation.modalities),
            classes=list(federation.task.classes),
            prior=np.asarray(study.class_counts, dtype=np.float64),
            margin=federation.evaluation.margin,
            seed=federation.seed,
        )
    )
