"""Which of the files that the GDC has are fetched: open ones, and one aliquot a case where a reader takes one."""

from collections.abc import Sequence

from modalities.core.files.barcodes import case_of
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, check, note
from simulations.download.entries import Entry

ONE_A_CASE = ("Masked Copy Number Segment", "Gene Level Copy Number")
"""Types of which `cnv` reads one file a case."""
_ANALYTE = 19
"""Place of the analyte's letter in an aliquot's barcode, TCGA-02-0001-01C-01D-0182-01."""


def chosen(entries: Sequence[Entry], wanted_types: Sequence[str]) -> tuple[list[Entry], list[Problem]]:
    """The files to fetch, and notes of those left out.

    Raises:
        ValueError: nothing is left, or files of several workflows would be mixed.
    """
    notes = []
    usable = [entry for entry in entries if entry.access == "open"]
    if len(usable) < len(entries):
        closed = [entry.name for entry in entries if entry.access != "open"]
        what = f"{len(closed)} files of controlled access are left out: {listing(closed)}"
        notes.append(note(what, "they need a token of dbGaP and the GDC's own client, gdc-client"))
    absent = [name for name in wanted_types if all(entry.type != name for entry in usable)]
    check([Problem(f"the GDC has no open file of the type {name!r} for these filters") for name in absent])
    problems, second = [], set()
    for name in ONE_A_CASE:
        of_type = [entry for entry in usable if entry.type == name]
        workflows = sorted({entry.workflow for entry in of_type})
        if len(workflows) > 1:
            what = f"{name}: files of {len(workflows)} workflows, {listing(workflows)}"
            problems.append(Problem(what, f"choose one: --filter 'analysis.workflow_type={workflows[0]}'"))
        second |= _second_aliquots(of_type)
    check(problems)
    if second:
        names = [entry.name for entry in usable if entry.id in second]
        what = f"{len(names)} files of a case's further aliquots are left out: {listing(names)}"
        notes.append(note(what, "of each case the aliquot is taken that the Broad's GDAC takes"))
    return [entry for entry in usable if entry.id not in second], notes


def _second_aliquots(entries: Sequence[Entry]) -> set[str]:
    """The files of all of a case's primary tumours but one: not amplified DNA first, then the latest plate.

    Source: https://gdac.broadinstitute.org (replicate samples).
    """
    by_case: dict[str, list[tuple[bool, str, str]]] = {}
    for entry in entries:
        for sample in entry.samples:
            if sample.sample_id and case_of(sample.sample_id) is not None:
                ranked = (sample.aliquot[_ANALYTE : _ANALYTE + 1] == "D", sample.aliquot, entry.id)
                by_case.setdefault(sample.case_id, []).append(ranked)
    return {entry_id for ranked in by_case.values() for _, _, entry_id in sorted(ranked)[:-1]}
