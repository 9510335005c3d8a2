"""The command that makes a data folder of TCGA from what the GDC and cBioPortal hand out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from modalities.core.problems import check
from simulations.download import cbioportal, gdc
from simulations.download.asking import Manner, checked_address
from simulations.download.download import Wanted, cases_in, study_of
from simulations.download.download import download as make_folder

_USUAL = Wanted(Path())


def download(
    out: Annotated[Path, typer.Option(help="The data folder; the same command goes on where it stopped.")],
    project: Annotated[str, typer.Option(help="A TCGA project of the GDC.")] = _USUAL.project,
    data_type: Annotated[
        list[str] | None, typer.Option(help="As the GDC calls it, such as 'Slide Image'; may be repeated.")
    ] = None,
    sample_type: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", help="FIELD=VALUE of the GDC's files; may be repeated.")
    ] = None,
    cases: Annotated[Path | None, typer.Option(help="Only these: a case a line, or a table with case_id.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="A manifest of the GDC, in place of all filters.")] = None,
    labels: Annotated[str, typer.Option(help="cBioPortal's study with the subtype, or none.")] = "",
    clinical: Annotated[str, typer.Option(help="cBioPortal's study with receptors, or none.")] = "",
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Files at a time.")] = Manner.parallel,
    tries: Annotated[int, typer.Option(min=1, help="In a row, before a file is given up.")] = Manner.tries,
    stall: Annotated[float, typer.Option(min=0.1, help="Seconds without a byte, then again.")] = Manner.stall_s,
    verify: Annotated[bool, typer.Option("--verify", help="Read the files again that are there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how much it would be, and stop.")] = False,
    gdc_address: Annotated[str, typer.Option("--gdc", help="The GDC's API, or a mirror.")] = gdc.ADDRESS,
    portal: Annotated[str, typer.Option("--cbioportal", help="Its API, or a portal of your own.")] = cbioportal.ADDRESS,
) -> None:
    """TCGA's files from the GDC, resumed and checked, with labels and receptors of cBioPortal: a data folder."""
    wanted = Wanted(
        out=out,
        project=project,
        types=data_type or _USUAL.types,
        sample_types=sample_type or _USUAL.sample_types,
        filters=_by_field(filters or ()),
        cases=cases_in(cases) if cases else (),
        manifest=manifest,
        labels=labels or study_of(project, "_pan_can_atlas_2018"),
        clinical=clinical or study_of(project, ""),
        gdc=checked_address("--gdc", gdc_address),
        cbioportal=checked_address("--cbioportal", portal),
        verify=verify,
        dry_run=dry_run,
    )
    asyncio.run(make_folder(wanted, Manner(tries=tries, parallel=parallel, stall_s=stall)))


def _by_field(words: Sequence[str]) -> dict[str, list[str]]:
    """The values of each field of FIELD=VALUE."""
    check(f"--filter {word}: give FIELD=VALUE" for word in words if not all(word.partition("=")))
    values: dict[str, list[str]] = {}
    for word in words:
        name, _, value = word.partition("=")
        values.setdefault(name, []).append(value)
    return values
