"""The methods paragraph of a comparison, filled in from its results: what was done, with which settings."""

from collections.abc import Mapping

from simulations.report.words import headline
from simulations.scores.metrics import N_DRAWS
from simulations.scores.predictions import COMPLETE, FUSED
from simulations.scores.results import Json
from strategies.evaluation.ece import ECE_BINS
from strategies.evaluation.equivalence import LEVEL
from strategies.report.words import percent

_SPLITS = {
    "random": "{folds} outer folds, stratified by class",
    "sites": "{folds} outer folds of whole sites (scikit-learn's StratifiedGroupKFold), so that no model was tested on "
    "a site that it had been trained on",
    "file": "{folds} outer folds given beforehand ({folds_file})",
    "preserved": "{folds} outer folds of whole sites whose class shares are as equal as whole sites allow, by integer "
    "optimisation after Howard et al. (2021)",
}


def methods_of(results: Json) -> str:
    """Paragraphs with a blank line between them."""
    parts = (_data, _splits, _federated, _others, _protection, _scoring, _software)
    return "\n\n".join(filter(None, (part(results) for part in parts)))


def _data(results: Json) -> str:
    task, sites = results["task"], results.get("site_by_class") or {}
    n = sum(sum(row.values()) for row in sites.values())
    held = {name: sum(row.get(name, 0) for row in results["site_by_modality"].values()) for name in task["modalities"]}
    classes = {name: sum(row[name] for row in sites.values()) for name in task["classes"]}
    dropped = ", ".join(f"{count} labelled {label or '(blank)'}" for label, count in task.get("dropped", {}).items())
    return (
        f"Data. {n} cases at {len(sites)} sites were classified as {_listed(classes)}. Modalities: {_listed(held)}."
        + (f" Left out: {dropped}." if dropped else "")
        + (f" Inputs: {results['protocol']['notes']}." if results["protocol"].get("notes") else "")
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} (n = {count})" for name, count in counts.items())


def _splits(results: Json) -> str:
    protocol = results["protocol"]
    way = _SPLITS.get(protocol.get("cv", ""), "{folds} outer folds").format(
        folds=protocol.get("folds"), folds_file=protocol.get("folds_file")
    )
    hidden = protocol.get("missing_rate")
    text = (
        f"Splits. Cases were split into {way} (seed {protocol.get('seed')}). Each case was scored once, by models that "
        "had not been trained on it; predictions were pooled over folds."
    )
    if hidden:
        text += f" {percent(hidden)} of the (site, modality) pairs were hidden from the training of every arm."
    if results.get("external"):
        n = results["external"].get("federated", {}).get(FUSED, {}).get("n")
        text += f" An external cohort of {n} cases was scored by models trained on all cases of the study."
    return text


def _federated(results: Json) -> str:
    settings = results["protocol"].get("federation") or {}
    fusion = settings.get("fusion") or {}
    branches = "; ".join(_branch(name, own) for name, own in (settings.get("modalities") or {}).items())
    heads = sorted(set((results.get("head") or {}).get("federated", ())))
    text = (
        f"Federated training. Each modality has an encoder of its own, trained over the sites that hold it: {branches}."
    )
    if heads and fusion.get("fit") == "crossfit":
        text += (
            f" The fusion head ({', '.join(heads)}) was fitted federatedly on out-of-fold outputs of {fusion['folds']} "
            f"folds of each site's training cases, in at most {fusion['rounds']} rounds, and one temperature on the "
            "same outputs."
        )
    return text


def _branch(name: str, own: Json) -> str:
    federated = own.get("federated") or {}
    robust = f" on {federated['robust']}" if federated.get("robust") else ""
    stop = f", stopped after {federated['patience']} without improvement" if federated.get("patience") else ""
    epochs = federated.get("local_epochs")
    return (
        f"{name} ({own.get('features')} inputs) by {federated.get('strategy')}{robust}, {federated.get('rounds')} "
        f"rounds of {epochs} local epoch{'' if epochs == 1 else 's'}, {federated.get('optimiser')} at learning rate "
        f"{federated.get('lr')}, server learning rate {federated.get('server_lr')}{stop}"
    )


def _others(results: Json) -> str:
    settings = (results["protocol"].get("federation") or {}).get("modalities") or {}
    epochs = ", ".join(f"{name} {(own.get('training') or {}).get('epochs')}" for name, own in settings.items())
    arms = {
        "centralised": f"the same model trained on the cases of all sites in one place (epochs: {epochs})",
        "local": "each site's own model by the recipe of the centralised one, scored on all test cases; a case that it "
        "cannot score gets the site's class shares",
        "reference": "scikit-learn's logistic regression on each modality, with median imputation and scaling and its "
        "strength chosen by inner cross-validation, stacked over modalities",
        "majority": "the class shares of the training cases",
    }
    present = [f"{arm}, {what}" for arm, what in arms.items() if arm in results["arms"]]
    return f"Comparators. {'; '.join(present)}." if present else ""


def _protection(results: Json) -> str:
    protocol, parts = results["protocol"], []
    if protocol.get("masking") not in (None, "off", "none"):
        parts.append(f"Sums over sites were masked (privacy.masking: {protocol['masking']}).")
    if results.get("privacy"):
        epsilons = ", ".join(results["privacy"]["epsilons"])
        parts.append(f"The federated arm was run again under differential privacy for patients, epsilon {epsilons}.")
    return f"Protection. {' '.join(parts)}" if parts else ""


def _scoring(results: Json) -> str:
    margin, lead = results["protocol"].get("margin"), headline(results)
    cases = {FUSED: "all cases with at least one modality", COMPLETE: "the cases with every modality"}.get(lead, lead)
    text = (
        f"Scoring. Macro-AUROC is the mean of one-against-rest AUROCs; the primary set is {cases}. 95 % intervals are "
        f"percentile intervals of {N_DRAWS} bootstrap resamples of cases, shared by all arms, so that differences are "
        f"paired. The expected calibration error has {ECE_BINS} equal-width bins of the top probability and is "
        "debiased (Kumar, Liang and Ma 2019)."
    )
    if margin is None:
        return text
    return (
        f"{text} Equivalence of federated and centralised training was tested by two one-sided tests of macro-AUROC at "
        f"level {LEVEL:g} with a margin of {margin:g}, fixed beforehand (Schuirmann 1987)."
    )


def _software(results: Json) -> str:
    protocol, made = results["protocol"], results.get("made") or {}
    versions = ", ".join(f"{name} {version}" for name, version in (protocol.get("versions") or {}).items())
    text = f"Software. {versions}; engine {protocol.get('engine')}. All sites were simulated on one computer."
    command = made.get("command")
    if made:
        text += f" Made {made['date']}" + (f" by: {command}" if command else ".")
    return text
