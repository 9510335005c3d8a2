"""The sections of a site's own report, in the order in which they stand."""

import numpy as np

from client.report import pictures
from client.report.pictures import CALLED, LOOKS
from client.report.scores import Here
from strategies.evaluation.names import FEDERATED, GAIN, LOCAL
from strategies.report.section import Section, Table, pictured
from strategies.report.words import number, set_label, shown, signed, verdict

WORST = 20
_LEAST = 1e-12
"""A probability that was rounded to 0 still has a logarithm."""


def sections_of(here: Here) -> list[Section]:
    """All that there is something for."""
    made = [_models(here), _gain(here), _classes(here), _confusion(here), _roc(here), _worst(here)]
    return [section for section in made if section]


def _models(here: Here) -> Section:
    rows = [(of, model) for of in here.sets for model in here.models if of in here.said[model]]
    ranking, sure = [], []
    for of, model in rows:
        numbers = here.numbers(model, of)
        head = (f"{set_label(of)}: {CALLED[model]}", str(numbers["n"]))
        everywhere = here.study.get(model, {}).get(of, {}).get("macro_auroc")
        ranking.append((*head, shown(here.ranking(model, of)["macro_auroc"]), shown(everywhere)))
        sure.append((*head, *(shown(numbers[name]) for name in ("balanced_accuracy", "brier", "ece"))))
    federated = tuple(place for place, (_, model) in enumerate(rows) if model == FEDERATED)
    return Section(
        "performance",
        "Both models here, and the study's at all sites",
        f"On this site's {here.on}. Macro-AUROC is the mean over the classes, each against the rest (.5 is chance); "
        "“at all sites” is what the release says of all sites' cases together (for the site's own model: of all sites' "
        "own models). Brier score (0 to 2) and ECE, the calibration error: lower is better. In brackets: 95 % "
        "intervals.",
        (),
        (
            Table(("cases and model", "n", "macro-AUROC here", "at all sites"), tuple(ranking), "Ranking", federated),
            Table(("cases and model", "n", "balanced accuracy", "Brier", "ECE"), tuple(sure), "How sure", federated),
        ),
        _lacks(here),
    )


def _gain(here: Here) -> Section | None:
    if LOCAL not in here.said:
        return None
    gains = {of: here.ranking(GAIN, of)["macro_auroc"] for of in here.sets if of in here.said[LOCAL]}
    rows = tuple(
        (set_label(of), str(here.numbers(FEDERATED, of)["n"]), shown(gain, signed), verdict(gain))
        for of, gain in gains.items()
    )
    return Section(
        "gain",
        "Does this site gain by taking part?",
        "Macro-AUROC of the federated model minus that of the model which this site trained on its own cases alone, on "
        "the same cases. An interval that holds 0 settles nothing, which a few dozen cases seldom do.",
        (),
        (Table(("cases", "n", "difference in macro-AUROC", "federated is"), rows),),
    )


def _classes(here: Here) -> Section:
    of, task = here.sets[0], here.federation.task
    rows = tuple(
        (
            f"{name} ({task.names[name]})" if task.names.get(name) else name,
            str(here.numbers(FEDERATED, of)["n_by_class"][name]),
            *(shown(here.ranking(model, of)["auroc"][name]) for model in here.models),
            shown(here.numbers(FEDERATED, of)["recall"][name]),
        )
        for name in task.classes
    )
    header = ("class", "cases", *(f"AUROC, {LOOKS[model].label.lower()}" for model in here.models), "recall, federated")
    reading = (
        f"{set_label(of)}: each class against the rest. n/a: fewer than five cases of the class, or of the others."
    )
    return Section("classes", "By class", reading, (), (Table(header, rows),))


def _confusion(here: Here) -> Section:
    alt = "Confusion matrices of the federated model and of this site's own, with counts."
    return Section(
        "confusion",
        "Confusion matrices",
        f"{set_label(here.sets[0])}: each row is what patients truly have and adds up to 100 %.",
        pictured(pictures.confusion(here, here.sets[0]), alt),
    )


def _roc(here: Here) -> Section:
    alt = "ROC curves by class of the federated model and of this site's own."
    return Section(
        "roc",
        "ROC curves by class",
        f"{set_label(here.sets[0])}: one class against the rest; the closer to the upper left corner, the better.",
        pictured(pictures.roc(here, here.sets[0]), alt),
    )


def _worst(here: Here) -> Section:
    of, classes = here.sets[0], list(here.federation.task.classes)
    said = here.said[FEDERATED][of]
    known = np.flatnonzero(here.rows(of))
    true = said[known, here.labels[known]]
    wrong = known[np.argsort(true, kind="stable")][:WORST]
    rows = tuple(
        (
            here.case_ids[row],
            classes[here.labels[row]],
            classes[int(said[row].argmax())],
            number(float(said[row, here.labels[row]])),
            number(float(said[row].max())),
            f"{-np.log(max(float(said[row, here.labels[row]]), _LEAST)):.2f}",
            _own_says(here, of, row),
            ", ".join(name for name in here.federation.modalities if _holds(here, name, row)),
        )
        for row in wrong
    )
    header = ("case", "label", "predicted", "p of the label", "p of the predicted", "log loss", "p, own model", "holds")
    return Section(
        "worst-cases",
        "The cases that the model gets most wrong",
        f"{set_label(of)}: the {len(rows)} cases whose label the federated model finds least probable. Look first "
        "whether label and data are right; what is wrong there is wrong in training too.",
        (),
        (Table(header, rows),),
    )


def _own_says(here: Here, of: str, row: int) -> str:
    own = here.said.get(LOCAL, {}).get(of)
    return "n/a" if own is None or not np.isfinite(own[row]).all() else number(float(own[row, here.labels[row]]))


def _holds(here: Here, name: str, row: int) -> bool:
    own = here.said[FEDERATED].get(name)
    return own is not None and bool(np.isfinite(own[row]).all())


def _lacks(here: Here) -> str:
    said = []
    if LOCAL not in here.said:
        said.append(
            "This site has no model of its own for these settings and cases: the evaluation of a study trains one, "
            "unless federation.yaml has evaluation.local: false, or the site only evaluates."
        )
    if not here.study:
        said.append("The release holds no evaluation, so nothing is known of other sites.")
    return " ".join(said)
