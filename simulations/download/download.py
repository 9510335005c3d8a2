"""A data folder of TCGA from the GDC and cBioPortal, step by step; each step may be taken again."""

import fcntl
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from modalities.core.console import console, say, show
from modalities.core.files.atomic import write_atomically
from modalities.core.files.tables.delimited import rows_of
from modalities.core.problems import Problem, check, gathering, unusable
from simulations.download import cbioportal, gdc
from simulations.download.asking import Manner, client_of
from simulations.download.choice import chosen
from simulations.download.entries import Entry, manifest_of, read_manifest
from simulations.download.folder import listed_in, write_clinical, write_dataset, write_labels
from simulations.download.sheet import write_sheets
from simulations.download.transfer import Transfer, missing_problems

MANIFEST = "gdc_manifest.txt"
NONE = "none"
_CASE = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}")
_UNKNOWN = "the GDC does not know it (any more): load the manifest again"


@dataclass(frozen=True)
class Wanted:
    """What a data folder is to hold."""

    out: Path
    project: str = "TCGA-BRCA"
    types: Sequence[str] = ("Masked Copy Number Segment",)
    sample_types: Sequence[str] = ("Primary Tumor",)
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Further fields of the GDC and the values that they may have."""
    cases: Sequence[str] = ()
    """Empty: all."""
    manifest: Path | None = None
    """In place of the project, types, sample types and filters."""
    labels: str = ""
    """A study of cBioPortal, or `none`."""
    clinical: str = ""
    gdc: str = gdc.ADDRESS
    cbioportal: str = cbioportal.ADDRESS
    verify: bool = False
    """Read the files again that are there."""
    dry_run: bool = False

    @property
    def label_column(self) -> str:
        """What the label is called: PAM50 is of breast cancer alone."""
        return "pam50" if self.project == "TCGA-BRCA" else "subtype"

    @property
    def labels_path(self) -> Path:
        """Below the data folder."""
        return Path("labels", f"{self.label_column}.csv")

    @property
    def query(self) -> dict[str, Sequence[str]]:
        """The fields of the GDC and the values that they may have."""
        return {
            "cases.project.project_id": [self.project],
            "data_type": self.types,
            "cases.samples.sample_type": self.sample_types,
            "cases.submitter_id": self.cases,
            **self.filters,
        }


def study_of(project: str, ending: str) -> str:
    """The name of a TCGA project's study at cBioPortal."""
    cancer = project.removeprefix("TCGA-").lower()
    return f"{'coadread' if cancer in ('coad', 'read') else cancer}_tcga{ending}"


def cases_in(path: Path) -> list[str]:
    """The cases of a file: a case a line, or a table with the column `case_id`.

    Raises:
        ValueError: it cannot be read, or holds none.
    """
    if not path.is_file():
        raise unusable("no such file", "correct --cases", file=str(path))
    lines = path.read_text(encoding="utf-8-sig", errors="replace").split()
    if all(_CASE.fullmatch(line) for line in lines[lines[:1] == ["case_id"] :]):
        cases = lines[lines[:1] == ["case_id"] :]
    else:
        header, *rows = rows_of(path)
        if "case_id" not in header:
            raise unusable("no column case_id", "name it so, or give a case a line", file=path.name)
        cases = [row[header.index("case_id")].strip() for row in rows]
    if not cases:
        raise unusable("no case in it", "give a case a line", file=path.name)
    return sorted({*cases} - {""})


async def download(wanted: Wanted, manner: Manner) -> None:
    """Make the data folder, or as much of it as can be had.

    Raises:
        ValueError: everything that is missing at the end, or why nothing was begun.
    """
    wanted.out.mkdir(parents=True, exist_ok=True)
    with _locked(wanted.out):
        async with client_of(manner) as client:
            entries, unknown, notes = await _selected(client, manner, wanted)
            transfer = Transfer(wanted.out, wanted.gdc, manner)
            lacking = transfer.lacking(entries, verify=wanted.verify)
            _say_selection(entries, lacking)
            for told in notes:
                show(told)
            if wanted.dry_run:
                return
            transfer.refuse_full_disk(lacking)
            write_atomically(wanted.out / MANIFEST, manifest_of([*entries, *unknown]).encode())
            write_sheets(wanted.out, entries)
            problems = await _tables(client, manner, wanted, entries)
            missing = await transfer.run(client, lacking, console)
        missing |= {entry.id: _UNKNOWN for entry in unknown}
        problems += missing_problems(wanted.out, [*entries, *unknown], missing)
        for told in write_dataset(wanted.out, wanted.labels_path, wanted.label_column):
            show(told)
    check(problems)
    say(f"{wanted.out}: all there; tessera-simulate tcga --data {wanted.out} reads it")


async def _selected(
    client: httpx.AsyncClient, manner: Manner, wanted: Wanted
) -> tuple[list[Entry], list[Entry], list[Problem]]:
    """The files to have, those of a manifest that the GDC does not know, and notes of those left out."""
    if wanted.manifest is None:
        entries, unknown, types = await gdc.files_by(client, manner, wanted.gdc, wanted.query), [], wanted.types
    else:
        listed = read_manifest(wanted.manifest)
        (entries, unknown), types = await gdc.described(client, manner, wanted.gdc, listed), ()
    entries, notes = chosen(entries, types)
    return entries, unknown, notes


def _say_selection(entries: Sequence[Entry], lacking: Sequence[Entry]) -> None:
    size, rest = (sum(entry.size for entry in held) / 1e9 for held in (entries, lacking))
    say(f"{len(entries)} files, {size:.2f} GB; {len(lacking)} of them, {rest:.2f} GB, are not there yet")


async def _tables(client: httpx.AsyncClient, manner: Manner, wanted: Wanted, entries: Sequence[Entry]) -> list[Problem]:
    """Write the labels and the clinical tables; what could not be had."""
    problems: list[Problem] = []
    path = wanted.out / wanted.labels_path
    cases = frozenset(wanted.cases and [*wanted.cases, *listed_in(path)])  # those of earlier commands stay
    studies = {}

    async def asked(study: str) -> list[cbioportal.Clinical]:
        if study not in studies:
            studies[study] = await cbioportal.clinical_of(client, manner, wanted.cbioportal, study, cases)
        return studies[study]

    if wanted.labels != NONE:
        with gathering(problems):
            labels = cbioportal.labels_of(wanted.labels, await asked(wanted.labels))
            say(f"{path}: {write_labels(path, wanted.label_column, labels, entries)} cases with a label")
    if wanted.clinical != NONE:
        with gathering(problems):
            write_clinical(wanted.out, await asked(wanted.clinical))
    return problems


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Only one command at a time writes into the folder.

    Raises:
        ValueError: another one does.
    """
    with (out / ".download.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise unusable("another download writes into this folder", "wait for it", file=str(out)) from None
        yield
