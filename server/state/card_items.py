"""What facts of a study answer of the reporting checklists' items."""

from collections.abc import Mapping
from typing import Any

from modalities.core.settings.federation import Federation
from strategies.evaluation.names import FEDERATED, FUSED
from strategies.report.words import Json, interval, number, percent


def tripod_facts(
    federation: Federation, model: Mapping[str, Any], n_sites: int, holders: Mapping[str, int]
) -> dict[str, str]:
    """Item of TRIPOD+AI -> the facts; an item that no fact answers is left out."""
    task, evaluation = federation.task, model.get("evaluation") or {}
    counts = ", ".join(f"{name} {n:g}" for name, n in model["class_counts"].items())
    kinds = ", ".join(f"{name} ({federation.modalities[name].kind})" for name in model["modalities"])
    rounds = ", ".join(f"{name} {n}" for name, n in model["rounds"].items())
    dropped = f"; cases labelled {', '.join(task.drop)} are left out" if task.drop else ""
    return {
        "How data were prepared": "each modality by its plug-in, with statistics summed over the sites; the settings "
        f"have digest {model['config_digest']}",
        "Outcome: what is predicted, and how it was assessed": f"{task.name}: one of "
        f"{', '.join(task.classes)}{dropped}; how it was assessed is yours to write",
        "Predictors": f"{kinds}; features and settings in model.json",
        "Sample size": f"training cases by class: {counts}; how many were needed is yours to write",
        "Missing data": "a case may lack whole modalities; within one, its plug-in fills in what is missing "
        "by statistics summed over the sites",
        "How the model was made and evaluated": f"a branch a modality, federated (rounds: {rounds or 'none'}), fused "
        f"by the head {model['head']['name']}, calibrated on cases left out of each copy",
        "Class imbalance": "see the training cases by class; probabilities are calibrated after training",
        "What the model puts out": "a probability for every class, and the set of classes that cannot be ruled out",
        "Training against evaluation data": _split_of(evaluation),
        "Cases and events in each analysis": f"training: {counts}; evaluation: in the tables of this card",
        "The model in full": "all weights and settings are files of this release",
        "Performance, with intervals and by group": _performance(evaluation),
        "Limitations": "those of this card; others are yours to write",
    }


def cluster_facts(
    federation: Federation, model: Mapping[str, Any], n_sites: int, holders: Mapping[str, int]
) -> dict[str, str]:
    """Topic -> the facts; one that no fact answers is left out."""
    del federation
    evaluation = model.get("evaluation") or {}
    held = ", ".join(f"{name} {n}" for name, n in holders.items())
    size = f"{n_sites} sites trained; by modality: {held}; the size of each is yours to write" if n_sites else ""
    return {
        "Number of hospitals, and size of each": size,
        "How differences between hospitals entered the making of the model": "one model for all sites, without a term "
        "for the hospital; statistics and weights are summed over them",
        "How the model was validated across hospitals": _split_of(evaluation),
        "Performance by hospital, and how much it varies": _by_hospital(evaluation),
        "Expected performance at a new hospital": _new_hospital(evaluation),
    }


def _split_of(evaluation: Json) -> str:
    scored = (evaluation.get(FEDERATED) or {}).get(FUSED) or {}
    if not scored.get("n"):
        return ""
    return f"{scored['n']} cases that `split: test` kept from training, at the same sites and at any that only evaluate"


def _performance(evaluation: Json) -> str:
    macro = ((evaluation.get(FEDERATED) or {}).get(FUSED) or {}).get("macro_auroc") or {}
    if macro.get("value") is None:
        return ""
    return (
        f"macro-AUROC {number(macro['value'])} (95 % interval {interval(macro)}); more in the tables of this card; by "
        "group of patients: yours to write"
    )


def _by_hospital(evaluation: Json) -> str:
    pooled = ((evaluation.get("meta") or {}).get(FEDERATED) or {}).get(FUSED)
    if not pooled or pooled["macro_auroc"]["value"] is None or pooled["i2"] is None:
        return ""
    macro = pooled["macro_auroc"]
    return (
        f"{pooled['sites']} sites tell theirs: {number(macro['value'])} on average ({interval(macro)}), "
        f"I² {percent(pooled['i2'])}"
    )


def _new_hospital(evaluation: Json) -> str:
    pooled = ((evaluation.get("meta") or {}).get(FEDERATED) or {}).get(FUSED)
    if not pooled or pooled["prediction_low"] is None:
        return ""
    low, high = number(pooled["prediction_low"]), number(pooled["prediction_high"])
    return f"macro-AUROC from {low} to {high} at 95 % of new hospitals, by the meta-analysis"
