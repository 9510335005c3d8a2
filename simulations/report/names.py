"""Sites by code and name, where results know what a site is called: for the report and its figures."""

from collections.abc import Mapping
from typing import Any

from simulations.scores.results import Json

_BY_SITE = ("site_by_class", "site_by_modality", "bytes", "external_by_site")


def with_site_names(results: Json) -> Json:
    """The same results, every site called by its code and its name."""
    names: Mapping[str, str] = results.get("site_names") or {}
    labels = {site: f"{site}, {name}" for site, name in names.items()}
    if not labels:
        return results
    told: dict[str, Any] = dict(results)
    told |= {part: _renamed(results[part], labels) for part in _BY_SITE if results.get(part)}
    for part in ("arms", "external"):
        if "local" in results.get(part, {}):
            told[part] = {**results[part], "local": _local(results[part]["local"], labels)}
    for part in ("differences", "external_differences"):
        told |= {part: _called(results[part], labels)} if part in results else {}
    told |= {part: _inside(results[part], "by_site", labels) for part in ("conformal",) if results.get(part)}
    if results.get("evaluation"):
        told["evaluation"] = {**results["evaluation"], "sites": _renamed(results["evaluation"]["sites"], labels)}
    if results.get("site_probe"):
        views = results["site_probe"].items()
        told["site_probe"] = {name: _inside(own, "sites", labels) for name, own in views}
    return told


def _renamed(by_site: Json, labels: Mapping[str, str]) -> dict[str, Any]:
    return {labels.get(site, site): own for site, own in by_site.items()}


def _inside(parts: Json, key: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {name: {**own, key: _renamed(own[key], labels)} for name, own in parts.items()}


def _local(local: Json, labels: Mapping[str, str]) -> dict[str, Any]:
    best = {name: _labelled(own, labels) for name, own in local.get("best_site", {}).items()}
    return {**local, "sites": _renamed(local.get("sites", {}), labels), "best_site": best}


def _called(differences: Json, labels: Mapping[str, str]) -> dict[str, Any]:
    return {pair: {name: _labelled(own, labels) for name, own in sets.items()} for pair, sets in differences.items()}


def _labelled(own: Json, labels: Mapping[str, str]) -> Json:
    return {**own, "site": labels.get(own["site"], own["site"])} if "site" in own else own
