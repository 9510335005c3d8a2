"""The model card of a release, README.md: a Hugging Face header, and what can be said of the model from the study.

The same study gives the same card, byte for byte, and it names no case; sites are counted, not named.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml

from modalities.core.hooks import Pretrained
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from server.state.card_items import cluster_facts, tripod_facts
from server.state.tripod import CLUSTER, TRIPOD_AI, answered
from strategies.evaluation.names import FEDERATED, FUSED
from strategies.report.words import Json, interval, number, percent, set_label, signed

_METRICS = {
    "macro_auroc": ("roc_auc", "Macro-AUROC"),
    "balanced_accuracy": ("balanced_accuracy", "Balanced accuracy"),
    "accuracy": ("accuracy", "Accuracy"),
    "brier": ("brier_score", "Brier score (0 to 2)"),
    "log_loss": ("log_loss", "Log loss"),
    "ece": ("ece", "Calibration error (ECE)"),
}
"""Metric -> its id in the header, and what it is called."""


def card_of(federation: Federation, model: Mapping[str, Any], cohorts: Collection[Mapping[str, int]]) -> str:
    """The card; `model` is model.json, `cohorts` each site's training cases by modality."""
    evaluation = model.get("evaluation") or {}
    holders = {name: sum(own.get(name, 0) > 0 for own in cohorts) for name in model["modalities"]}
    facts = (federation, model, len(cohorts), holders)
    return (
        _environment()
        .get_template("card.md")  # Flower puts no .j2 into a bundle
        .render(
            header=yaml.safe_dump(header_of(federation, evaluation), sort_keys=False, allow_unicode=True),
            task=federation.task,
            model=model,
            n_sites=len(cohorts),
            holders=holders,
            settings=federation,
            evaluation=evaluation,
            scored=_scored(evaluation),
            metrics={name: title for name, (_, title) in _METRICS.items()},
            encoders=encoders_of(federation, model["modalities"]),
            tripod=list(enumerate(answered(TRIPOD_AI, tripod_facts(*facts)), start=1)),
            cluster=answered(CLUSTER, cluster_facts(*facts)),
        )
    )


def header_of(federation: Federation, evaluation: Json) -> dict[str, Any]:
    """The YAML header; `model-index` only where test cases were scored."""
    task, scored = federation.task, (evaluation.get(FEDERATED) or {}).get(FUSED) or {}
    known = {name: scored[name] for name in _METRICS if (scored.get(name) or {}).get("value") is not None}
    header: dict[str, Any] = {
        "license": "other",
        "license_name": "not-stated",
        "library_name": "tessera",
        "tags": ["federated-learning", "multimodal", "oncology", "not-for-clinical-use"],
    }
    if not known:
        return header
    metrics = [
        {
            "type": _METRICS[name][0],
            "name": f"{_METRICS[name][1]} (95 % interval {interval(own)})",
            "value": round(own["value"], 4),
        }
        for name, own in known.items()
    ]
    result = {
        "task": {"type": "other", "name": f"classification: {task.name}"},
        "dataset": {"type": "private", "name": "test cases of the study's sites", "split": "test"},
        "metrics": metrics,
    }
    header["metrics"] = [_METRICS[name][0] for name in known]
    header["model-index"] = [{"name": task.name, "results": [result]}]
    return header


def encoders_of(federation: Federation, modalities: Collection[str]) -> dict[str, str]:
    """Modality -> what network its inputs come from and what that was trained on; those without one are left out."""
    plugins = {name: plugin(federation.modalities[name].kind) for name in modalities}
    return {
        name: own.pretrained(federation.modalities[name])
        for name, own in plugins.items()
        if isinstance(own, Pretrained)
    }


def _scored(evaluation: Json) -> list[tuple[str, Json]]:
    """What the federated model was scored on, and its scores by SET, where there are cases."""
    both = (
        ("test cases, which no site trained on", evaluation.get(FEDERATED) or {}),
        ("training cases, out of fold", (evaluation.get("out_of_fold") or {}).get(FEDERATED) or {}),
    )
    told = [(on, {name: own for name, own in sets.items() if own["n"]}) for on, sets in both]
    return [(on, sets) for on, sets in told if sets]


def _shown(estimate: Json | None, form: Any = number) -> str:
    if not estimate or estimate["value"] is None:
        return f"n/a: {estimate['reason']}" if estimate and estimate["reason"] else "n/a"
    return f"{form(estimate['value'])} ({interval(estimate, form)})"


def _cell(text: Any) -> str:
    """Text in a table of Markdown: one line, and no bar."""
    return " ".join(str(text).split()).replace("|", "\\|")


def _environment() -> jinja2.Environment:
    """Names are escaped as HTML is, which Markdown shows as they are."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown_signed = lambda estimate: _shown(estimate, signed)  # noqa: E731
    made.filters |= {"shown": _shown, "shown_signed": shown_signed, "cell": _cell, "percent": percent}
    made.filters |= {"set_label": set_label, "number": number}
    return made
