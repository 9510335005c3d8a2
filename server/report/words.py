"""The report's sentences, for a hospital's manager."""

from collections.abc import Sequence

from server.report.facts import Facts
from server.report.measured import Measured
from server.state.card import encoders_of
from strategies.evaluation.names import COMPLETE, FEDERATED, FUSED, GAIN, LOCAL
from strategies.report.words import (
    STILL_FALLING,
    VERDICTS,
    Json,
    chance,
    interval,
    late_fall,
    number,
    percent,
    shown,
    signed,
)

_CASES = {FUSED: "with any of the study's kinds of data", COMPLETE: "with all of the study's kinds of data"}


def summary(facts: Facts, measured: Measured) -> list[str]:
    """What was found, a paragraph each."""
    return [text for text in (_setting(facts, measured), _accuracy(measured), against_local(facts, measured)) if text]


def _setting(facts: Facts, measured: Measured) -> str:
    n_external = len(facts.external) or sum(own["is_external"] for own in facts.evaluation["sites"].values())
    n_sites = len(facts.sites) or sum(facts.evaluation.get("sites_by_policy", {}).values()) - n_external
    outside = f", and {counted(n_external, 'site')} that trained on nothing scored it too" if n_external else ""
    return (
        f"{counted(n_sites, 'site')} trained one shared model for {facts.federation.task.name} without bringing their "
        f"patients' data together{outside}. Its accuracy was measured on {measured.leading().get('n', 0)} "
        f"{measured.on} {_CASES.get(measured.headline, '')}."
    )


def _accuracy(measured: Measured) -> str:
    found = measured.leading()
    if not found or found["macro_auroc"]["value"] is None:
        return "How well it tells the classes apart cannot be said: there are too few cases."
    macro = found["macro_auroc"]
    bound = f"; counted in bins, exact to within {number(macro['bound'], 4)}" if macro.get("bound") is not None else ""
    named = found["accuracy"]["value"]
    right = f" It named the right class for {percent(named, 1)} of them." if named is not None else ""
    return (
        f"Its macro-AUROC is {number(macro['value'])} (95 % interval {interval(macro)}{bound}): how often it ranks a "
        f"patient of a class above one of another; 0.5 is guessing, 1 is never wrong.{right}"
    )


def against_local(facts: Facts, measured: Measured) -> str:
    """Whether a hospital gains by taking part."""
    gain = facts.evaluation["gain"].get(measured.cases, {}).get(measured.headline)
    if not gain or gain["macro_auroc"]["value"] is None:
        return ""
    macro = gain["macro_auroc"]
    text = (
        f"Against a model that each site trained alone, on the site's own patients, that is {signed(macro['value'])} "
        f"(95 % interval {interval(macro, signed)})"
    )
    if gain["verdict"]:
        text += f": {VERDICTS[gain['verdict']].format(margin=gain['margin'])}"
    if gain["sites"]:
        text += f". {gain['sites_that_gain']} of {counted(gain['sites'], 'site')} gain"
    return text + "."


def who_does_not_gain(evaluation: Json, name: str) -> str:
    """The sites that lose on this SET, of those that tell their own numbers; blank where none tells any."""
    told = {
        site: own["results"][GAIN][name]["macro_auroc"]["value"]
        for site, own in evaluation["sites"].items()
        if name in own["results"].get(GAIN, {})
    }
    known = {site: value for site, value in told.items() if value is not None}
    if not known:
        return ""
    losing = [f"{site} ({signed(value)})" for site, value in known.items() if value <= 0]
    told_by = f"Of the {counted(len(known), 'site')} that tell their own difference, "
    return told_by + (f"{', '.join(losing)} {'do' if len(losing) > 1 else 'does'} not gain." if losing else "all gain.")


def tested(gain: Json) -> str:
    """The two one-sided tests."""
    found = gain.get("equivalence")
    return f"{signed(found['low'])} to {signed(found['high'])}, {chance(found['p'])}" if found else "n/a"


def limits(facts: Facts, measured: Measured) -> str:
    """What the numbers do not show."""
    parts = [
        "The 95 % intervals say how much the numbers would move with other patients of these hospitals; they leave out "
        "other hospitals, other scanners and laboratories, and another run of the training.",
        "A site's own model was measured on that site's patients only.",
    ]
    counts = measured.leading().get("n_by_class", {})
    rare = min(counts, key=lambda name: counts[name], default=None)
    if rare and counts[rare] < 100:
        parts.append(f"The rarest class, {rare}, has {counts[rare]} cases here, or too few to be told.")
    if measured.cases == "out_of_fold":
        parts.append("No site kept test cases: these are training cases, scored by copies that did not see them.")
    if not facts.external and not any(own["is_external"] for own in facts.evaluation.get("sites", {}).values()):
        parts.append("No site outside the study scored the model.")
    parts += [
        f"{name} is encoded by {said}."
        for name, said in encoders_of(facts.federation, facts.federation.modalities).items()
    ]
    parts.append("This is research software, not a medical device: nothing here may guide anyone's treatment.")
    return " ".join(parts)


def cards(facts: Facts, measured: Measured) -> list[dict[str, str]]:
    """The key figures: what, how much, and its interval."""
    found = measured.leading()
    metrics = {"macro_auroc": "Macro-AUROC", "balanced_accuracy": "Balanced accuracy", "brier": "Brier score (0 to 2)"}
    made = [_card(f"Federated: {what}", found.get(name)) for name, what in metrics.items()]
    made.append(_card("Federated: calibration error (ECE)", found.get("ece")))
    gain = facts.evaluation["gain"].get(measured.cases, {}).get(measured.headline)
    if gain:
        made.append(_card("Macro-AUROC against the sites' own models", gain["macro_auroc"], signed))
        what = f"Equivalent to them, margin {gain['margin']:g}?"
        verdict = (gain["verdict"] or "n/a").capitalize()
        made.append({"what": what, "value": verdict, "interval": f"90 % interval {tested(gain)}"})
    return made


def _card(what: str, estimate: Json | None, form=number) -> dict[str, str]:  # noqa: ANN001
    if not estimate or estimate["value"] is None:
        return {"what": what, "value": "n/a", "interval": (estimate or {}).get("reason", "")}
    return {"what": what, "value": form(estimate["value"]), "interval": interval(estimate, form)}


def still_falling(facts: Facts) -> list[str]:
    """A sentence for each branch that used up its rounds while its held-out loss still fell."""
    return [
        f"{name}: still falling after {len(curve) - 1} rounds (the last tenth of them brought "
        f"{percent(share, 1)} of the whole fall): raise modalities.{name}.federated.rounds"
        for name, curve in facts.curves.items()
        if used_up(facts, name, curve) and (share := late_fall([curve])) > STILL_FALLING
    ]


def used_up(facts: Facts, name: str, curve: Sequence[float]) -> bool:
    """Whether it did not stop by itself."""
    settings = facts.federation.modalities[name].federated
    return settings.patience == 0 or len(curve) > settings.rounds


def counted(n: int, what: str) -> str:
    """1 site, 3 sites."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def by_model(measured: Measured, name: str) -> list[str]:
    """The models that were scored on this SET."""
    return [model for model in (FEDERATED, LOCAL, "prior") if measured.models.get(model, {}).get(name, {}).get("n")]


def cell(scored: Json, metric: str) -> str:
    """One metric of one model."""
    return shown(scored.get(metric))
