"""What the report of a study is made of, from its checkpoint or from its release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from modalities.core.files.journal import entries_of
from modalities.core.problems import unusable
from modalities.core.release.release import MODEL, open_release
from modalities.core.settings.federation import Federation
from server.coordinator.folder import Study
from server.state.checkpoint import CHECKPOINT
from server.state.evaluation import results_in
from server.state.measured import METRICS
from server.state.status import read_status, stage
from server.state.study import StudyState
from strategies.report.words import Json
from strategies.settings import load_federation

PACKAGES = ("tessera", "flwr", "torch", "numpy", "scipy", "scikit-learn")
_FROM_RELEASE = "the release holds no evaluation: its study was not evaluated, or its sites let no number out"


@dataclass(frozen=True)
class Facts:
    """Of one study."""

    federation: Federation
    evaluation: Json
    """As in model.json; empty: `why_not` says why."""
    class_counts: Mapping[str, float]
    cases: Mapping[str, int]
    """Modality -> training cases."""
    rounds: Mapping[str, int]
    why_not: str = ""
    sites: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Site -> modality -> training cases; empty where only a release is at hand."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """Site -> its `policy.evaluation`."""
    external: Sequence[str] = ()
    """The sites that only evaluate."""
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Modality -> held-out loss a case after round 0, 1, 2, ..."""
    notes: Sequence[Json] = ()
    missing: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    """Site -> the sums that it is not in -> their rounds; 0 where they have none."""
    date: str = ""
    """When the last step was done, UTC; empty where nothing says it."""

    def to_plain(self) -> dict[str, Any]:
        """results.json."""
        task, privacy = self.federation.task, self.federation.privacy
        names = {"name": task.name, "classes": list(task.classes), "names": dict(task.names)}
        return {
            "task": {**names, "modalities": list(self.federation.modalities)},
            "evaluation": self.evaluation,
            "not_evaluated": self.why_not,
            "study": {
                "date": self.date,
                "sites": self.sites,
                "external": list(self.external),
                "policies": self.policies,
                "cases": self.cases,
                "class_counts": self.class_counts,
                "rounds": self.rounds,
                "curves": self.curves,
                "masking": privacy.masking,
                "epsilon": privacy.epsilon,
                "notes": list(self.notes),
                "missing": self.missing,
            },
            "settings": self.federation.to_dict(),
            "config_digest": self.federation.digest,
            "versions": {name: version(name) for name in PACKAGES},
        }


def facts_in(folder: Path) -> Facts:
    """Of the study, or the release, in this folder.

    Raises:
        ValueError: there is neither, the checkpoint is damaged or of other settings, or the release was changed.
    """
    if (folder / MODEL).is_file():
        return facts_of_release(folder)
    study = Study(folder)
    checkpoint, release = study.run / CHECKPOINT, study.run / "release"
    if checkpoint.is_file():
        state = StudyState.load(checkpoint, load_federation(study.federation))
        return facts_of_study(state, study.run)
    if (release / MODEL).is_file():
        return facts_of_release(release)
    raise unusable(
        "nothing to report: no step of a study is finished here, and it is no release",
        f"give the study's folder, and begin it with `tessera-server run {folder}`",
        file=str(folder),
    )


def facts_of_study(state: StudyState, run: Path) -> Facts:
    """Of a study as far as it is; `run` has its status and its metrics."""
    results = results_in(state)
    lines = entries_of(run / METRICS, "move it away") if (run / METRICS).is_file() else []
    evaluation = results.to_plain() if results and results.test["federated"] else {}
    return Facts(
        federation=state.federation,
        evaluation=evaluation,
        class_counts=dict(zip(state.federation.task.classes, state.class_counts, strict=False)),
        cases=_totals(state.cohorts),
        rounds={name: own.stop.best_round or own.rounds for name, own in state.progress.items()},
        why_not="" if evaluation else _why_not(state, stage(read_status(run), "statistics")),
        sites=state.cohorts,
        policies=state.evaluation.shares,
        external=state.evaluation.external,
        curves={name: own.curve for name, own in state.progress.items() if own.curve},
        notes=[note._asdict() for note in state.notes],
        missing=state.missing.rounds,
        date=str(lines[-1]["time"]) if lines else "",
    )


def facts_of_release(folder: Path) -> Facts:
    """Of a release alone, which has neither notes nor curves."""
    found = open_release(folder)
    model = found.model
    evaluation = model.get("evaluation") or {}
    is_told = bool(evaluation.get("federated"))
    return Facts(
        found.federation,
        evaluation if is_told else {},
        model["class_counts"],
        model["cases"],
        model["rounds"],
        "" if is_told else _FROM_RELEASE,
    )


def _why_not(state: StudyState, where: str) -> str:
    """Why a study has no numbers."""
    if state.federation.privacy.epsilon:
        return (
            f"this study keeps an epsilon of {state.federation.privacy.epsilon:g}, which does not account for an "
            "evaluation: scoring the model on patients would tell more of them than epsilon allows"
        )
    if not state.finished:
        return f"this study is not finished: it is in phase {where}, and the model is scored in its last phase"
    if not state.evaluation.done:
        return "no site scored the finished model: all refused or failed, or this study was carried out without it"
    if not state.federation.privacy.is_masked and "full" not in state.evaluation.shares.values():
        return (
            "no site lets a number out: without masks only a site with evaluation: full in its site.yaml does, and "
            "no site has that; with privacy.masking: required in federation.yaml, sums are enough"
        )
    return "no number may be shown: too few sites or cases take part in the evaluation; the notes below say more"


def _totals(cohorts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    held = sorted({name for own in cohorts.values() for name in own})
    return {name: sum(own.get(name, 0) for own in cohorts.values()) for name in held}
