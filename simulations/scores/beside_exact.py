"""The evaluation from sums beside the exact numbers of the same predictions."""

from dataclasses import dataclass

from simulations.scores.results import Json


@dataclass(frozen=True)
class BesideExact:
    """The federated macro-AUROC on one SET, twice."""

    name: str
    n: int
    """Cases that the sites scored."""
    n_exact: int
    """Those of the arm: more where a site takes no part with a modality of which it has test cases."""
    exact: Json
    """With the bootstrap over cases as its interval."""
    from_sums: Json
    """With its bound, and DeLong's interval."""

    @property
    def difference(self) -> float | None:
        """From sums minus exact."""
        if self.exact["value"] is None or self.from_sums["value"] is None:
            return None
        return self.from_sums["value"] - self.exact["value"]

    @property
    def is_within(self) -> bool:
        """Whether they differ by no more than the bound."""
        return self.difference is None or abs(self.difference) <= self.from_sums["bound"] + _ROUNDING


_ROUNDING = 1e-6
"""Probabilities of one case, computed with those of its site or of all sites at once, differ in the last digits."""


def beside_exact(results: Json) -> list[BesideExact]:
    """A row for each SET that both know; none where the run was not evaluated."""
    exact, sums = results["arms"].get("federated", {}), (results.get("evaluation") or {}).get("federated", {})
    return [
        BesideExact(name, own["n"], exact[name]["n"], exact[name]["macro_auroc"], own["macro_auroc"])
        for name, own in sums.items()
        if name in exact
    ]
