"""The sections that studies add to the report, a file each, in the order in which they stand."""

from collections.abc import Callable, Mapping
from typing import Any

from simulations.report.sections import heads, representations
from simulations.report.sections.attack import attack
from simulations.report.sections.calibration import calibration
from simulations.report.sections.conformal import conformal
from simulations.report.sections.convergence import convergence_section
from simulations.report.sections.errors import error_correlation
from simulations.report.sections.fold_balance import fold_balance
from simulations.report.sections.missing import missing
from simulations.report.sections.privacy import privacy
from simulations.report.sections.real_study import real_study
from simulations.report.sections.repeats import repeats
from simulations.report.sections.robustness import robustness_section
from simulations.report.sections.site_probe import site_probe
from strategies.report.section import Section

SECTIONS: tuple[Callable[[Mapping[str, Any]], Section | None], ...] = (
    repeats,
    missing,
    privacy,
    real_study,
    heads.section,
    calibration,
    conformal,
    error_correlation,
    site_probe,
    fold_balance,
    representations.section,
    convergence_section,
    robustness_section,
    attack,
)
"""Each takes results.json and gives its section, or None where the study was not made."""


def sections_of(results: Mapping[str, Any]) -> list[Section]:
    """The sections that these results have something for."""
    return [section for make in SECTIONS if (section := make(results)) is not None]
