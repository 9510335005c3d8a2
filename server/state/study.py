"""Everything a study knows at the coordinator: what a checkpoint holds and a release is made of."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from modalities.core.contract import State
from modalities.core.fusion.search import Memory
from modalities.core.patience import Patience
from modalities.core.settings.federation import Federation
from server.state.checkpoint import load_or_restore, save_checkpoint
from server.state.evaluation import Evaluation
from server.state.head_search import search_from_arrays, search_to_arrays
from server.state.measured import Measured
from server.state.missing import Missing
from server.state.notes import REFUSED, WARNING, Note
from strategies.exchange import Traffic
from strategies.wire import SHARED, STUDY, Weights

_GROUPS = ("states", "weights", "best", "optimisers")
_SINGLES = ("head", "calibration")
_EVALUATION = "evaluation"
_PLAIN = ("class_counts", "frozen", "finished", "cohorts", "head_name", "out_of_fold", "fusion_rounds")


@dataclass
class Progress:
    """How far one modality's branch is."""

    rounds: int = 0
    stop: Patience = field(default_factory=lambda: Patience(0))
    done: bool = False
    curve: list[float] = field(default_factory=list)
    """Held-out loss a case of the weights after round 0, 1, 2, ..."""


@dataclass
class StudyState:
    """Grows phase by phase."""

    federation: Federation
    states: dict[str, State] = field(default_factory=dict)
    """Shared statistics by modality."""
    class_counts: list[float] = field(default_factory=list)
    weights: dict[str, Weights] = field(default_factory=dict)
    """Global weights by part."""
    best: dict[str, Weights] = field(default_factory=dict)
    """The weights to go back to, by part, where patience watches."""
    optimisers: dict[str, Weights] = field(default_factory=dict)
    """Server optimiser state by part."""
    progress: dict[str, Progress] = field(default_factory=dict)
    frozen: list[str] = field(default_factory=list)
    """Modalities whose branches came from an earlier release and are not trained."""
    search: Memory = field(default_factory=Memory)
    """How far the fit of the fusion head is; empty once it is done."""
    head: dict[str, np.ndarray] = field(default_factory=dict)
    head_name: str = ""
    """The head that was fitted: the one set, or `auto`'s choice."""
    out_of_fold: dict[str, float] = field(default_factory=dict)
    """Out-of-fold loss a case by head, where `auto` chose."""
    taught_by: list[str] = field(default_factory=list)
    """The sites in the sums of the fit under way: all its rounds are of the same."""
    fusion_rounds: int = 0
    """Rounds that the fits of the fusion phase took."""
    calibration: dict[str, np.ndarray] = field(default_factory=dict)
    """Temperature of the fused model and thresholds of its conformal sets."""
    evaluation: Evaluation = field(default_factory=Evaluation)
    """What sites sent of how good the model is; `server.state.evaluation.results_in` makes numbers of it."""
    finished: bool = False
    cohorts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Site -> modality -> training cases, as last announced."""
    notes: list[Note] = field(default_factory=list)
    missing: Missing = field(default_factory=Missing)
    """Which sums lack which of these sites."""
    measured: Measured = field(default_factory=Measured)
    """Lines of metrics.jsonl that the next step writes."""
    traffic: Traffic = field(default_factory=Traffic)
    away: set[str] = field(default_factory=set)
    """Sites that are not connected now; of this run, and in no checkpoint."""
    evaluators: set[str] = field(default_factory=set)
    """Sites that only evaluate; of this run, and in no checkpoint."""
    unsettled: set[str] = field(default_factory=set)
    """Sites that lack what they were sent in this run; in no checkpoint."""
    waiting: dict[str, str] = field(default_factory=dict)
    """Modality -> why its rounds wait or are skipped just now; in no checkpoint."""

    def __post_init__(self) -> None:
        """Bytes are counted under the names that the settings know, whatever a site sends."""
        self.traffic.owners = {*self.federation.modalities, SHARED, STUDY}

    def holders(self, modality: str) -> set[str]:
        """The sites known to hold it, here or not."""
        return {site for site, own in self.cohorts.items() if modality in own}

    def able(self) -> set[str]:
        """The sites known to hold two modalities or more, and so to have cases that may teach a fusion head."""
        return {site for site, own in self.cohorts.items() if len(own) > 1}

    @property
    def refused(self) -> list[Note]:
        """What sites sent that was not used."""
        return [note for note in self.notes if note.level == REFUSED]

    def save(self, path: Path) -> None:
        """Write the checkpoint."""
        arrays = {
            f"{group}|{owner}|{name}": array
            for group in (*_GROUPS, *_SINGLES)
            for owner, own in self._group(group).items()
            for name, array in own.items()
        }
        kept, how_far = search_to_arrays(self.search)
        evaluated = {
            f"{_EVALUATION}|{owner}|{name}": array
            for owner, own in self.evaluation.groups().items()
            for name, array in own.items()
        }
        save_checkpoint(path, arrays | kept | evaluated, {**self._meta(), "search": how_far})

    @staticmethod
    def load(path: Path, federation: Federation) -> "StudyState":
        """Read the checkpoint, or, where it is damaged, the one before.

        Raises:
            ValueError: both are damaged, or it belongs to a study with other settings.
        """
        (arrays, meta), restored = load_or_restore(path)
        if meta["digest"] != federation.digest:
            raise ValueError(
                f"{path}: this checkpoint is of a study with other settings (config digest {meta['digest'][:12]}, "
                f"now {federation.digest[:12]}); restore the settings, or begin in another folder; where nobody "
                "changed them, this version has other defaults: go on with the version that began it"
            )
        groups: dict[str, dict[str, Weights]] = defaultdict(lambda: defaultdict(dict))
        for key, array in arrays.items():
            group, owner, name = key.split("|", 2)
            groups[group][owner][name] = array
        state = StudyState(
            federation,
            **{group: {owner: dict(own) for owner, own in groups[group].items()} for group in _GROUPS},
            **{group: dict(groups[group].get(group, {})) for group in _SINGLES},
            search=search_from_arrays(groups, meta["search"]),
            evaluation=Evaluation.restored(groups[_EVALUATION], meta.get(_EVALUATION, {})),
            **{name: meta[name] for name in _PLAIN},
        )
        state.progress = {
            name: Progress(own["rounds"], Patience(**own["stop"]), own["done"], own["curve"])
            for name, own in meta["progress"].items()
        }
        state.notes = [Note(*note) for note in meta.get("notes", ())]
        state.notes += [Note(WARNING, "*", "*", restored)] * bool(restored)
        state.measured = Measured(**meta.get("measured", {}))
        state.missing, state.taught_by = Missing(meta.get("missing", {})), meta.get("taught_by", [])
        _restore(state.traffic, meta["traffic"])
        return state

    def _group(self, group: str) -> Mapping[str, Mapping[str, np.ndarray]]:
        return {group: getattr(self, group)} if group in _SINGLES else getattr(self, group)

    def _meta(self) -> dict[str, Any]:
        return {
            "digest": self.federation.digest,
            **{name: getattr(self, name) for name in _PLAIN},
            "progress": {name: asdict(own) for name, own in self.progress.items()},
            "notes": self.notes,
            _EVALUATION: self.evaluation.plain(),
            "measured": asdict(self.measured),
            "missing": self.missing.rounds,
            "taught_by": self.taught_by,
            "traffic": self.traffic.table(),
        }


def _restore(traffic: Traffic, table: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
    for site, owners in table.items():
        for owner, both in owners.items():
            traffic.down[site][owner], traffic.up[site][owner] = both["down"], both["up"]
