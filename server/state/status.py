"""status.json: where a study stands, for `run` and `status` to show; written beside the checkpoint at every step."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modalities.core.files.atomic import write_atomically

if TYPE_CHECKING:  # it imports torch, which reading a status need not wait for
    import server.state.study

STATUS = "status.json"


def write_status(folder: Path, study: "server.state.study.StudyState", event: Mapping[str, Any]) -> None:
    """Keep the last step: phase, round, loss, who takes part and with what, who is away, bytes, the last notes."""
    folder.mkdir(parents=True, exist_ok=True)
    status = {
        "time": time.time(),
        **event,
        "finished": study.finished,
        "cohorts": study.cohorts,
        "only_evaluate": sorted(study.evaluators),
        "rounds": {
            name: {"done": own.rounds, "of": study.federation.modalities[name].federated.rounds, "ended": own.done}
            for name, own in study.progress.items()
            if name in study.federation.modalities
        },
        "held_out": {name: own.curve[-1] for name, own in study.progress.items() if own.curve},
        "bytes": bytes_by_owner(study),
        "evaluation": _evaluation(study),
        "away": sorted(study.away),
        "incomplete": study.missing.rounds,
        "waiting": study.waiting,
        "notes": [note._asdict() for note in study.notes[-20:]],
    }
    write_atomically(folder / STATUS, json.dumps(status, indent=1, default=str).encode())


def _evaluation(study: "server.state.study.StudyState") -> dict[str, Any]:
    """How good the model is, by SET; empty until that is known."""
    if not study.evaluation.done:
        return {}
    from server.state.evaluation import results_in, summary_of  # SciPy, which reading a status need not wait for

    results = results_in(study)
    return summary_of(results) if results else {}


def read_status(folder: Path) -> dict[str, Any]:
    """The last step; empty where none was written yet."""
    path = folder / STATUS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def stage(status: Mapping[str, Any], unbegun: str) -> str:
    """Where a study stands, in words; `unbegun` is said for its phase before the first step."""
    return status.get("phase", unbegun) + (f", round {status['round']}" if "round" in status else "")


def bytes_by_owner(study: "server.state.study.StudyState") -> dict[str, dict[str, int]]:
    """Modality -> bytes up and down, over all sites."""
    total: dict[str, dict[str, int]] = {}
    for owners in study.traffic.table().values():
        for owner, both in owners.items():
            own = total.setdefault(owner, {"up": 0, "down": 0})
            for way in own:
                own[way] += both[way]
    return total
