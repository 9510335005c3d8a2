"""How good the finished model is, as `run`, `status` and `page` show it."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from strategies.evaluation.names import FEDERATED, LOCAL

HEADER = ("test cases", "n", "macro-AUROC", "sites' own models", "gain within sites", "verdict", "sites that gain")


def evaluation_table(by_set: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row a SET: macro-AUROC on the test cases with 95 % intervals, and what it gains over the sites' own models."""
    table = Table(*HEADER, title="evaluation")
    for row in evaluation_rows(by_set):
        table.add_row(*row)
    return table


def evaluation_rows(by_set: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The same as text."""
    rows = []
    for of, own in by_set.items():
        gain = own.get("gain", {})
        sites = f"{gain['sites_that_gain']} of {gain['sites']}" if gain.get("sites") else "n/a"
        judged = f"{gain['verdict']} (margin {gain['margin']:g})" if gain.get("verdict") else "n/a"
        cells = (_shown(own.get(FEDERATED)), _shown(own.get(LOCAL)), _shown(gain, "+"))
        rows.append((of, str(own["n"]), *cells, judged, sites))
    return rows


def _shown(estimate: Mapping[str, Any] | None, sign: str = "") -> str:
    """`.912 (.880 to .937)`; or n/a with the reason."""
    if not estimate:
        return "n/a"
    if estimate["value"] is None:
        return f"n/a: {estimate['reason']}"
    value, *ends = (f"{estimate[name]:{sign}.3f}".replace("0.", ".", 1) for name in ("value", "low", "high"))
    return f"{value} ({' to '.join(ends)})"
