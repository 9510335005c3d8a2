"""The sections that studies add to the report, a file each, in the order in which they stand."""

from collections.abc import Callable, Mapping
from typing import Any

from simulations.report.section import Section
from simulations.report.sections.convergence import convergence_section
from simulations.report.sections.robustness import robustness_section

SECTIONS: tuple[Callable[[Mapping[str, Any]], Section | None], ...] = (convergence_section, robustness_section)
"""Each takes results.json and gives its section, or None where the study was not made."""


def sections_of(results: Mapping[str, Any]) -> list[Section]:
    """The sections that these results have something for."""
    return [section for make in SECTIONS if (section := make(results)) is not None]
