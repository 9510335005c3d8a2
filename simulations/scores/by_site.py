"""Who gains: each site's own cases, scored by the federated model and by the site's own."""

from dataclasses import dataclass

from simulations.scores.results import Json


@dataclass(frozen=True)
class SiteRow:
    """One site's macro-AUROCs on one SET, with their intervals."""

    site: str
    n: int
    federated: Json
    local: Json
    gain: Json
    """Federated minus local, paired case by case."""

    @property
    def verdict(self) -> str:
        """What the interval of the gain shows, or why there is none."""
        if self.gain["low"] is None:
            return str(self.gain["reason"])
        if self.gain["low"] > 0:
            return GAINS
        return LOSES if self.gain["high"] < 0 else NOT_SHOWN


GAINS, LOSES, NOT_SHOWN = "gains", "loses", "not shown"


def rows_by_site(evaluation: Json, name: str) -> list[SiteRow]:
    """The sites that have both models on a SET; `evaluation` as in results.json."""
    return [
        SiteRow(site, own["gain"][name]["n"], *(own[model][name]["macro_auroc"] for model in _MODELS))
        for site, told in (evaluation.get("sites") or {}).items()
        if name in (own := told["results"]).get("gain", {})
    ]


_MODELS = ("federated", "local", "gain")
