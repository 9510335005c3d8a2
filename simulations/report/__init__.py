"""The report of a comparison or a study: one HTML page that needs nothing else, and its main picture."""

from simulations.report.build import write_report, write_study

__all__ = ["write_report", "write_study"]
