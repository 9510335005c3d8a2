"""The report's sections, in the order in which they stand; one that has nothing to say is left out."""

from collections.abc import Callable

from server.report import pictures, site_sections
from server.report.facts import Facts
from server.report.measured import LOOKS, Measured, out_of_fold_in, reasons_in
from server.report.words import by_model, cell, still_falling, tested, who_does_not_gain
from strategies.evaluation.names import FEDERATED, LOCAL
from strategies.report.section import Section, Table, pictured
from strategies.report.words import number, set_label, shown, signed

Make = Callable[[Facts, Measured], Section | None]


def sections_of(facts: Facts, measured: Measured) -> list[Section]:
    """Those that there is something for; a study without an evaluation has curves, cases, sums and notes."""
    makers = [*(MEASURED if facts.evaluation else ()), *ALWAYS]
    return [section for make in makers if (section := make(facts, measured)) is not None]


def _models(facts: Facts, measured: Measured) -> Section:
    rows = [(model, name) for name in measured.sets() for model in by_model(measured, name)]
    ranking, named = [], []
    for model, name in rows:
        own = measured.models[model][name]
        head = (f"{set_label(name)}: {LOOKS[model].label.lower()}", str(own["n"]))
        bound = number(own["macro_auroc"].get("bound"), 4)
        ranking.append((*head, cell(own, "macro_auroc"), bound, cell(own, "auroc_within_sites")))
        named.append((*head, *(cell(own, metric) for metric in ("balanced_accuracy", "accuracy"))))
    sure = [
        (head[0], head[1], *(cell(measured.models[model][name], metric) for metric in ("brier", "log_loss", "ece")))
        for (model, name), head in zip(rows, ranking, strict=True)
    ]
    marked = tuple(place for place, (model, _) in enumerate(rows) if model == FEDERATED)
    return Section(
        "performance",
        "Every model with 95 % intervals",
        f"On {measured.on}. Macro-AUROC is the mean over the classes, each against the rest; it is counted in 200 bins "
        "of probability, so the exact one lies within the bound of the value. Within sites: pairs of cases of one site "
        "only. Balanced accuracy: mean recall. Brier score (0 to 2), log loss and ECE (how far stated confidence is "
        "from being right, less what noise adds to it): lower is better.",
        pictured(pictures.models(measured), "Macro-AUROC with interval of each model, by set of cases."),
        (
            Table(("cases and model", "n", "macro-AUROC", "bound", "within sites"), tuple(ranking), "Ranking", marked),
            Table(("cases and model", "n", "balanced accuracy", "accuracy"), tuple(named), "Naming the class", marked),
            Table(("cases and model", "n", "Brier", "log loss", "ECE"), tuple(sure), "How sure", marked),
        ),
    )


def _classes(facts: Facts, measured: Measured) -> Section:
    task, own, local = facts.federation.task, measured.leading(), measured.leading(LOCAL)
    rows = tuple(
        (
            name + (f" ({task.names[name]})" if task.names.get(name) else ""),
            str(own["n_by_class"].get(name, 0)),
            shown(own["auroc"].get(name)),
            number((own["auroc"].get(name) or {}).get("bound"), 4),
            shown(local["auroc"].get(name)) if local else "n/a",
            shown(own["recall"].get(name)),
        )
        for name in task.classes
    )
    header = ("class", "cases", "AUROC, federated", "bound", "AUROC, sites' own", "recall, federated")
    alt = "Recall of each class with intervals, federated and the sites' own models."
    return Section(
        "classes",
        "By class",
        f"{set_label(measured.headline)}, {measured.on}: each class against the rest. Recall is the share of the "
        "class's cases that are called that class. A class with 0 cases here has fewer than may be told.",
        pictured(pictures.recall(measured, list(task.classes)), alt),
        (Table(header, rows),),
    )


def _confusion(facts: Facts, measured: Measured) -> Section | None:
    figure = pictures.confusion(measured, list(facts.federation.task.classes))
    reading = "Each row is what patients truly have and adds up to 100 %; the diagonal is what the model gets right."
    alt = "Confusion matrices of the federated model and of the sites' own models, with counts."
    return Section("confusion", "Confusion matrices", reading, pictured(figure, alt)) if figure else None


def _reliability(facts: Facts, measured: Measured) -> Section | None:
    del facts
    figure = pictures.reliability(measured)
    reading = (
        "On the dashed line a model that says “80 % sure” is right 8 times in 10; below it it is over-confident. "
        "The bars count the cases at each confidence."
    )
    alt = "Share that is right by confidence, federated model and the sites' own models, in ten bins."
    return Section("reliability", "Does 80 % sure mean 80 % right?", reading, pictured(figure, alt)) if figure else None


def _gain(facts: Facts, measured: Measured) -> Section | None:
    told = facts.evaluation["gain"].get(measured.cases) or {}
    gain = {name: told[name] for name in measured.sets() if name in told}
    if not gain:
        return None
    judged = tuple(
        (
            set_label(name),
            str(own["n"]),
            shown(own["macro_auroc"], signed),
            tested(own),
            own["verdict"] or "n/a",
            f"{own['sites_that_gain']} of {own['sites']}",
        )
        for name, own in gain.items()
    )
    header = ("cases", "n", "macro-AUROC", "90 % interval", "verdict", "sites that gain")
    metrics = ("balanced_accuracy", "brier", "log_loss")
    others = tuple((set_label(name), *(shown(own[metric], signed) for metric in metrics)) for name, own in gain.items())
    margin = facts.federation.evaluation.margin
    return Section(
        "gain",
        "Does a hospital gain by taking part?",
        "Federated minus the model that a site trained on its own cases alone, both on the same cases of that site, "
        "pair by pair. Above 0 the federated model is better (of Brier score and log loss: below 0). The verdict is "
        f"of two one-sided tests at level .05 against the margin ±{margin:g} of federation.yaml: “not shown” is no "
        "proof of a difference, nor of equality.",
        pictured(pictures.gains(gain), "Federated minus local macro-AUROC with interval, by set of cases."),
        (Table(header, judged), Table(("cases", "balanced accuracy", "Brier", "log loss"), others, "Other measures")),
        who_does_not_gain(facts.evaluation, measured.headline),
    )


def _out_of_fold(facts: Facts, measured: Measured) -> Section | None:
    inside = out_of_fold_in(facts.evaluation)
    if measured.cases == inside.cases or not inside.sets():
        return None
    rows = tuple(
        (
            f"{set_label(name)}: {LOOKS[model].label.lower()}",
            str(inside.models[model][name]["n"]),
            *(cell(inside.models[model][name], metric) for metric in ("macro_auroc", "balanced_accuracy", "brier")),
        )
        for name in inside.sets()
        for model in by_model(inside, name)
    )
    reading = (
        "Internal validation: each training case scored by copies that did not train on it. The fusion head did see "
        "these cases, and they also stopped the training, so these numbers are a little kind."
    )
    header = ("cases and model", "n", "macro-AUROC", "balanced accuracy", "Brier")
    return Section("out-of-fold", "Training cases, out of fold", reading, (), (Table(header, rows),))


def _not_available(facts: Facts, measured: Measured) -> Section | None:
    del measured
    by_reason: dict[str, list[str]] = {}
    for place, reason in reasons_in(facts.evaluation):
        by_reason.setdefault(reason, []).append(place)
    if not by_reason:
        return None
    rows = tuple((reason, str(len(places)), places[0]) for reason, places in by_reason.items())
    reading = "Numbers that are n/a, by the reason; results.json has the reason beside each."
    return Section("not-available", "What is n/a, and why", reading, (), (Table(("why", "numbers", "such as"), rows),))


def _curves(facts: Facts, measured: Measured) -> Section | None:
    del measured
    figure = pictures.curves(facts)
    reading = "Loss on held-out cases by round, lower is better; the dot is the round whose weights were kept."
    alt = "Held-out loss by federated round for each modality."
    said = " ".join(f"{sentence}." for sentence in still_falling(facts))
    return Section("curves", "Training curves", reading, pictured(figure, alt), note=said) if figure else None


MEASURED: tuple[Make, ...] = (
    *(_models, _classes, _gain, site_sections.by_site, _confusion, _reliability, _out_of_fold, _not_available),
)
ALWAYS: tuple[Make, ...] = (_curves, site_sections.cases, site_sections.missing, site_sections.notes)
