"""The report of a comparison: one HTML page that needs nothing else, and its main picture."""

from simulations.report.build import write_report

__all__ = ["write_report"]
