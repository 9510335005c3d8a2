"""Copy number as arms, calls and log2 ratios."""

from collections.abc import Mapping
from typing import Any

from strategies.report.section import Section, Table
from strategies.report.words import bytes_text, interval, number

READING = (
    "Each line is the same tumours' copy number given to a linear branch in another form. Compare macro-AUROC on the "
    "cases that hold every form (the right half); the bytes are what a site sends and receives in one round, fold "
    "copies included. Where intervals overlap widely, the form of fewer bytes is the better choice."
)
HEADER = ("form", "inputs", "bytes a round", "cases", "federated", "centralised")
HEADER_COMMON = ("cases that hold all", "federated (these)", "centralised (these)")


def section(results: Mapping[str, Any]) -> Section | None:
    """The table, where the study was made."""
    found = results.get("representations")
    if not found:
        return None
    table = Table((*HEADER, *HEADER_COMMON), tuple(row_of(name, one) for name, one in found.items()))
    return Section("representations", "Forms of copy number", READING, tables=(table,))


def row_of(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    """A line of the table, in the order of HEADER and HEADER_COMMON."""
    both = [
        (str(arms["federated"]["n"]), _value(arms["federated"]), _value(arms["centralised"]))
        for arms in (one["arms"], one["common"])
    ]
    return (name, str(one["inputs"]), bytes_text(one["bytes_per_round"]), *both[0], *both[1])


def _value(scored: Mapping[str, Any]) -> str:
    estimate = scored["macro_auroc"]
    return f"{number(estimate['value'])} ({interval(estimate)})"
