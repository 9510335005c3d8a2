"""Results in plain words: for a hospital manager, and honest where the numbers are not good."""

from collections.abc import Mapping, Sequence

from simulations.arms.alone import MOST_ALONE
from simulations.scores.predictions import COMPLETE, FUSED
from simulations.scores.results import Json
from strategies.report.words import (
    STILL_FALLING,
    VERDICTS,
    chance,
    interval,
    late_fall,
    number,
    percent,
    signed,
    verdict,
)


def sets_of(results: Json, arms: str = "arms") -> list[str]:
    """The SETs any arm was scored on, the most interesting first."""
    order = [COMPLETE, FUSED, *results["task"]["modalities"]]
    return [name for name in order if any(name in sets for sets in results.get(arms, {}).values())]


def headline(results: Json) -> str:
    """The SET the report leads with: the first that the federated arm has cases for."""
    federated = results["arms"].get("federated", {})
    return next((name for name in sets_of(results) if federated.get(name, {}).get("n")), FUSED)


def value(results: Json, arm: str, metric: str, name: str | None = None) -> float | None:
    """One number out of the results; None where the arm, the SET or the number is missing."""
    scored = results["arms"].get(arm, {}).get(name or headline(results), {})
    return scored.get(metric, {}).get("value")


def difference(results: Json, pair: str, metric: str = "macro_auroc") -> Json | None:
    """A paired difference on the headline SET; None where it was not measured."""
    return results.get("differences", {}).get(pair, {}).get(headline(results), {}).get(metric)


def equivalence(results: Json) -> Json | None:
    """The test of federated against centralised on the headline SET; None where none was made."""
    return tested(results.get("differences", {}).get("federated-centralised", {}).get(headline(results), {}))


def tested(gap: Json) -> Json | None:
    """The equivalence test of a paired difference; None where none was made."""
    found = gap.get("equivalence")
    return found if found and found["p"] is not None else None


def summary(results: Json) -> str:
    """What was found, in one paragraph."""
    return " ".join(filter(None, [_setting(results), _accuracies(results), _against_pooled(results), _gain(results)]))


def _setting(results: Json) -> str:
    n_sites = len(results.get("site_by_class", {}))
    cases = {COMPLETE: "patients with every kind of data", FUSED: "patients with any kind of data"}
    n = results["arms"].get("federated", {}).get(headline(results), {}).get("n", 0)
    held_out = results.get("protocol", {}).get("cv") in ("sites", "preserved")
    unseen = ", all from sites left out of training" if held_out else ""
    sites = f"{n_sites} sites" if n_sites != 1 else "One site"
    return (
        f"{sites} trained one shared model for {results['task']['name']} without bringing their patients' data "
        f"together: only model weights and summed statistics travelled. It was scored on {n} "
        f"{cases.get(headline(results), 'patients')}, none of whom it had been trained on{unseen}."
    )


def _accuracies(results: Json) -> str:
    federated = value(results, "federated", "accuracy")
    if federated is None:
        return ""
    others = {
        "pooling all data in one place gives {}": value(results, "centralised", "accuracy"),
        "a site training alone {} on average": value(results, "local", "accuracy"),
        "always guessing the most common class {}": value(results, "majority", "accuracy"),
    }
    known = [text.format(percent(accuracy, 1)) for text, accuracy in others.items() if accuracy is not None]
    return f"It named the right class for {percent(federated, 1)} of them" + (
        f"; {', '.join(known)}." if known else "."
    )


def _against_pooled(results: Json) -> str:
    gap = difference(results, "federated-centralised")
    if not gap or gap.get("value") is None:
        return ""
    meaning = {
        "no clear difference": "which these patients cannot tell from no difference at all",
        "lower": "so pooling is measurably better here",
        "higher": "so training together is measurably better here",
    }.get(verdict(gap), "too few patients for an interval")
    return (
        f"In macro-AUROC (0.5 is guessing, 1 is perfect) training together without moving data reached "
        f"{number(value(results, 'federated', 'macro_auroc'))}, {signed(gap['value'])} from pooling (95 % interval "
        f"{interval(gap, signed)}), {meaning}.{_tested(results)}"
    )


def _tested(results: Json) -> str:
    """What the equivalence test says, with the blank before it; nothing where none was made."""
    found = equivalence(results)
    if not found:
        return ""
    return (
        f" Tested for equivalence with the margin of the plan, {found['margin']:g}: "
        f"{VERDICTS[found['verdict']].format(margin=found['margin'])} (90 % interval {interval(found, signed)}, "
        f"{chance(found['p'])})."
    )


def _gain(results: Json) -> str:
    gain = difference(results, "federated-local")
    if not gain or gain.get("value") is None:
        return ""
    meaning = {
        "higher": "joining was worth it for the average site",
        "lower": "the average site would have done better alone",
    }.get(verdict(gain), "a gain was not shown")
    text = f"Against a site working alone that is {signed(gain['value'])} ({interval(gain, signed)}): {meaning}"
    best = results["arms"]["local"].get("best_site", {}).get(headline(results))
    if best and best.get("macro_auroc") is not None:
        text += f"; the best single site, {best['site']}, reaches {number(best['macro_auroc'])}"
    return text + "."


def still_falling(results: Json) -> list[str]:
    """A sentence for each branch that used up its rounds while its held-out loss still fell."""
    sentences = []
    sections = results.get("protocol", {}).get("federation", {}).get("modalities", {})
    for name, by_arm in results.get("curves", {}).items():
        for arm, settings, unit in (("federated", "federated", "rounds"), ("centralised", "training", "epochs")):
            section, folds = sections.get(name, {}).get(settings, {}), by_arm.get(arm) or []
            whole = _used_up(folds, section.get("patience"), section.get(unit))
            share = late_fall(whole)
            if share > STILL_FALLING:
                counted = f", or set modalities.{name}.{settings}.patience" if section.get("patience") == 0 else ""
                where = f" in {len(whole)} of {len(folds)} folds" if len(whole) < len(folds) else ""
                sentences.append(
                    f"{name}, {arm}: still falling after all {len(whole[0]) - 1} {unit}{where} (the last tenth of them "
                    f"brought {percent(share, 1)} of the whole fall); raise modalities.{name}.{settings}.{unit}"
                    f"{counted}"
                )
    return sentences


def _used_up(
    folds: Sequence[Sequence[float | None]], patience: int | None, limit: int | None
) -> list[Sequence[float | None]]:
    """The folds that did not stop by themselves."""
    if patience == 0:
        return list(folds)
    return [losses for losses in folds if limit is not None and len(losses) > limit]


def never_found(results: Json, arms: str = "external") -> str:
    """A sentence on the classes of which the federated model found no case of an external cohort; blank where none."""
    scored = results.get(arms, {}).get("federated", {}).get(external_headline(results), {})
    missed = [f"{name} ({one['n']} cases)" for name, one in scored.get("recall", {}).items() if one["value"] == 0]
    return f"The federated model called no case {' or '.join(missed)}." if missed else ""


def external_headline(results: Json) -> str:
    """The SET that the external section leads with."""
    federated = results.get("external", {}).get("federated", {})
    return next((name for name in sets_of(results, "external") if federated.get(name, {}).get("n")), FUSED)


def lacks(found: Mapping[str, Json]) -> list[str]:
    """What an external cohort lacks, in sentences."""
    return [
        f"{name}: none of the external cases has {len(own['features'])} of the {own['of']} features that training "
        f"cases have; they are imputed: {', '.join(own['features'])}"
        if own["held"]
        else f"{name}: no external site holds it"
        for name, own in found.items()
    ]


def left_out(found: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The external cases that no arm could score, in sentences."""
    why = {
        "no_modality": "hold none of the modalities (no file names them, or none of their values is known)",
        "no_class": "have no label of the task's classes",
    }
    return [
        f"{sum(by_site.values())} external cases {why[reason]} and are not scored: "
        + ", ".join(f"{count} of {site}" for site, count in by_site.items())
        for reason, by_site in found.items()
    ]


def limits(results: Json) -> str:
    """What was not shown, in one paragraph."""
    parts = [
        "The sites were simulated on one computer from stored data; no hospital's network or staff took part.",
        "The 95 % intervals say how much the numbers would move with other patients of the same kind; they leave out "
        "other folds, other seeds and other hospitals.",
    ]
    recall = results["arms"].get("federated", {}).get(headline(results), {}).get("recall", {})
    rare = min(recall.items(), key=lambda item: item[1]["n"], default=None)
    if rare and rare[1]["n"] < 100:
        parts.append(f"The rarest class, {rare[0]}, has only {rare[1]['n']} patients.")
    if results.get("external"):
        parts.append("External patients were scored too: see the section External data.")
    else:
        parts.append("No external patients were scored.")
    parts += [f"{name} is encoded by {said}." for name, said in results["protocol"].get("encoders", {}).items()]
    parts.append("This is research software, not a medical device: nothing here may guide anyone's treatment.")
    return " ".join(parts)


def trained_alone(results: Json) -> str:
    """That only some of many sites were trained alone too; blank where all were that could be."""
    n_alone, n_sites = len(results["arms"].get("local", {}).get("sites", {})), len(results.get("site_by_class") or {})
    if n_sites <= MOST_ALONE or not n_alone:
        return ""
    which = "the smallest, the largest, and evenly between them by size"
    return f"Of {n_sites:,} sites {n_alone} were trained alone too: {which}."
