"""Results in plain words: for a hospital manager, and honest where the numbers are not good."""

from collections.abc import Mapping, Sequence
from typing import Any

from simulations.scores.predictions import COMPLETE, FUSED
from simulations.scores.results import Json

MINUS = "\N{MINUS SIGN}"
STILL_FALLING = 0.01
"""Of the whole fall of a held-out loss: more than this over the last tenth of its rounds is still falling."""
Number = float | int | None  # beartype takes `float` at its word


def sets_of(results: Json, arms: str = "arms") -> list[str]:
    """The SETs any arm was scored on, the most interesting first."""
    order = [COMPLETE, FUSED, *results["task"]["modalities"]]
    return [name for name in order if any(name in sets for sets in results.get(arms, {}).values())]


def headline(results: Json) -> str:
    """The SET the report leads with: the first that the federated arm has cases for."""
    federated = results["arms"].get("federated", {})
    return next((name for name in sets_of(results) if federated.get(name, {}).get("n")), FUSED)


def set_label(name: str) -> str:
    """What a SET is called in the report."""
    return {COMPLETE: "Fused, complete cases", FUSED: "Fused, any case"}.get(name, name)


def number(value: Number, digits: int = 3) -> str:
    """0.912, or n/a."""
    return "n/a" if value is None else f"{value:.{digits}f}"


def signed(value: Number, digits: int = 3) -> str:
    """Always with its sign, a true minus sign; or n/a."""
    if value is None:
        return "n/a"
    text = f"{value:+.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text[1:]


def percent(value: Number, digits: int = 0) -> str:
    """76 %, or n/a."""
    return "n/a" if value is None else f"{100 * value:.{digits}f} %"


def interval(estimate: Json | None, form: Any = number) -> str:
    """The interval: 0.899 to 0.932; nothing where there is none."""
    if not estimate or estimate.get("low") is None or estimate.get("high") is None:
        return ""
    return f"{form(estimate['low'])} to {form(estimate['high'])}"


def bytes_text(count: Number) -> str:
    """0, 812 B, 3.4 kB, 12.1 MB: powers of 1000."""
    if count is None:
        return "n/a"
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return "0" if not count else f"{size:.0f} B" if units[0] == "B" else f"{size:.1f} {units[0]}"


def seconds_text(seconds: Number) -> str:
    """0.4 s, 34 s, 12 min 5 s, 1 h 4 min."""
    if seconds is None:
        return "n/a"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def verdict(estimate: Json | None) -> str:
    """What a paired difference allows one to say."""
    if not estimate or estimate.get("low") is None:
        return "not measurable"
    if estimate["low"] > 0:
        return "higher"
    return "lower" if estimate["high"] < 0 else "no clear difference"


def value(results: Json, arm: str, metric: str, name: str | None = None) -> float | None:
    """One number out of the results; None where the arm, the SET or the number is missing."""
    scored = results["arms"].get(arm, {}).get(name or headline(results), {})
    return scored.get(metric, {}).get("value")


def difference(results: Json, pair: str, metric: str = "macro_auroc") -> Json | None:
    """A paired difference on the headline SET; None where it was not measured."""
    return results.get("differences", {}).get(pair, {}).get(headline(results), {}).get(metric)


def summary(results: Json) -> str:
    """What was found, in one paragraph."""
    return " ".join(filter(None, [_setting(results), _accuracies(results), _against_pooled(results), _gain(results)]))


def _setting(results: Json) -> str:
    n_sites = len(results.get("site_by_class", {}))
    cases = {COMPLETE: "patients with every kind of data", FUSED: "patients with any kind of data"}
    n = results["arms"].get("federated", {}).get(headline(results), {}).get("n", 0)
    unseen = ", all from sites left out of training" if results.get("protocol", {}).get("cv") == "sites" else ""
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
    federated, pooled = value(results, "federated", "accuracy"), value(results, "centralised", "accuracy")
    gap = difference(results, "federated-centralised")
    if not federated or not pooled or not gap or gap.get("value") is None:
        return ""
    meaning = {
        "no clear difference": "which these patients cannot tell from no difference at all",
        "lower": "so pooling is measurably better here",
        "higher": "so training together is measurably better here",
    }.get(verdict(gap), "too few patients for an interval")
    return (
        f"So training together without moving data reached {percent(federated / pooled, 1)} of the pooled accuracy; in "
        f"macro-AUROC (0.5 is guessing, 1 is perfect) it is {number(value(results, 'federated', 'macro_auroc'))}, "
        f"{signed(gap['value'])} from pooling (95 % interval {interval(gap, signed)}), {meaning}."
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
    """A sentence for each branch whose rounds were used up, by count alone, while its held-out loss still fell."""
    sentences = []
    sections = results.get("protocol", {}).get("federation", {}).get("modalities", {})
    for name, by_arm in results.get("curves", {}).items():
        for arm, settings, unit in (("federated", "federated", "rounds"), ("centralised", "training", "epochs")):
            counted = sections.get(name, {}).get(settings, {}).get("patience") == 0
            share = late_fall(by_arm.get(arm) or []) if counted else 0.0
            if share > STILL_FALLING:
                sentences.append(
                    f"{name}, {arm}: still falling after all {len(by_arm[arm][0]) - 1} {unit} (the last tenth of them "
                    f"brought {percent(share, 1)} of the whole fall); raise modalities.{name}.{settings}.{unit}, or "
                    f"set modalities.{name}.{settings}.patience"
                )
    return sentences


def late_fall(folds: Sequence[Sequence[float | None]]) -> float:
    """The fall of the folds' mean loss over the last tenth of the rounds, as a share of its whole fall."""
    shortest = min(map(len, folds), default=0)
    known = [losses[:shortest] for losses in folds]
    mean = [
        sum(at) / len(at) for losses in zip(*known, strict=True) if len(at := [x for x in losses if x is not None]) > 0
    ]
    if len(mean) < 3 or mean[0] <= mean[-1]:
        return 0.0
    return (mean[-1 - -(-len(mean) // 10)] - mean[-1]) / (mean[0] - mean[-1])


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
    parts.append("This is research software, not a medical device: nothing here may guide anyone's treatment.")
    return " ".join(parts)
