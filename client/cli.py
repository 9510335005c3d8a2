"""tessera-client: what a site runs.

Commands that read data import what they need when they run: torch takes seconds, which the others need not wait for.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from client.audit.commands import audit
from client.leaving.command import leave
from client.node import commands, service
from client.node.home import Home
from client.report.page import page
from client.use.words.command import map_command
from modalities.core.console import console, plainly, say, show
from modalities.core.keyfiles import keep_from_others
from modalities.core.problems import LEVELS

if TYPE_CHECKING:
    import client.check.folder
    import client.check.modality

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
_Release = Annotated[Path, typer.Option(help="The release, with its model.json.")]
_Key = Annotated[
    Path | None, typer.Option(help="The coordinator's release.pub; without, the one that site.yaml names.")
]
_Unsigned = Annotated[bool, typer.Option("--unsigned", help="Take a release that nobody signed.")]


@app.callback()
def main() -> None:
    """What a site runs."""
    keep_from_others()


@app.command()
def check(
    site: Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")],
    page: Annotated[
        Path | None, typer.Argument(help="Of --html: the page to write; without, .tessera/check.html of the site.")
    ] = None,
    federation: Annotated[
        Path | None, typer.Option(help="The study's federation.yaml; without, the one that the site agreed to.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Leave out the way to the coordinator.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document: docs/site-folder.md.")] = False,
    as_page: Annotated[bool, typer.Option("--html", help="Write it as a page too, which stays at the site.")] = False,
) -> None:
    """Read everything as a study would, look at machine and network, say every problem; exit code 1 for an error."""
    from client.check.checkup import check_everything

    if page is not None and not as_page:
        raise typer.BadParameter(f"{page}: a page is written with --html")
    report = check_everything(site, federation, offline)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report)
    if as_page:
        from client.check.page.write import write_page

        written = write_page(report, page or Home(site).check_page)
        typer.echo(f"page: {written}", err=as_json)
    raise typer.Exit(0 if report.ok else 1)


@app.command()
@plainly
def prepare(
    site: Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")],
    federation: Annotated[
        Path | None, typer.Option(help="The study's federation.yaml, which has the recipe; the default recipe without.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0 takes one a processor core.", min=0)] = 0,
    shard: Annotated[str, typer.Option(help="Only a part of the slides: 3/16 is the third of sixteen.")] = "",
) -> None:
    """Turn the site's slides into tile features; interrupt it any time, it goes on where it was.

    Exit code 1 if a slide failed, after all others are done; 130 if it was interrupted.
    """
    from client.use.prepare import prepare_site
    from modalities.core.device import processors
    from strategies.settings import load_federation

    settings = load_federation(federation) if federation else None
    try:
        failed = prepare_site(site, settings, workers or processors(), console, shard)
    except KeyboardInterrupt:
        say("interrupted: finished slides are kept; the same command goes on from here")
        raise typer.Exit(130) from None
    raise typer.Exit(1 if failed else 0)


@app.command()
@plainly
def encoders(
    site: Annotated[
        Path | None, typer.Argument(help="The site folder, to see which weights it has; without, the list alone.")
    ] = None,
    digests: Annotated[
        bool, typer.Option("--digests", help="SHA-256 of each file of weights, for weights_digest: seconds a GB.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, with sources.")] = False,
) -> None:
    """List the encoders of slide tiles: features, resolution, licence, whether TCGA was trained on, weights here."""
    from client.use.encoders import rows_of, show_encoders, weights_folder

    folder = weights_folder(site) if site else None
    rows = rows_of(folder, digests)
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        show_encoders(rows, folder, console)


@app.command()
@plainly
def pseudonymise(
    site: Annotated[Path, typer.Argument(help="The site folder, with its site.yaml and cases.csv.")],
    file: Annotated[str, typer.Option(help="Where key and list are to lie: by default pseudonyms.json there.")] = "",
    who: Annotated[str, typer.Option(help="Say which number this pseudonym is of, and change nothing.")] = "",
) -> None:
    """Let the site's cases go by pseudonyms that only its own key file leads back; no export needs an edit."""
    from client.use import pseudonymise as pseudonyms

    if who:
        typer.echo(pseudonyms.number_of(site, who))
        return
    path, n_cases, n_new = pseudonyms.pseudonymise(site, file)
    say(f"{path}: {n_cases} cases, {n_new} of them new; whoever can read this file can tell who they are")
    say("keep a copy where only you can read it: without it no pseudonym can be led back, nor made again")


@app.command()
@plainly
def explain(
    site: Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")],
    case: Annotated[str, typer.Option(help="The case, by its case_id.")],
    release: _Release,
    out: Annotated[Path, typer.Option(help="Folder for the pictures (PNG) and QuPath's GeoJSON.")],
    label: Annotated[str, typer.Option(help="The class to explain; empty: the one that each branch predicts.")] = "",
    key: _Key = None,
    unsigned: _Unsigned = False,
) -> None:
    """Show which tiles of a case's slides speak for a class, and which against it. The files stay at the site."""
    from client.use.explain import explain_case
    from client.use.predict import checked_release, key_of

    opened, _ = checked_release(release, key_of(site, key, unsigned))
    for modality, shown, picture in explain_case(site, opened, case, out, label):
        say(f"{modality}: {shown}: {picture} and .geojson")


@app.command()
@plainly
def predict(
    site: Annotated[Path, typer.Argument(help="A site folder; its cases need no label.")],
    release: _Release,
    out: Annotated[Path, typer.Option(help="Folder for predictions.csv and predictions.html.")],
    key: _Key = None,
    unsigned: _Unsigned = False,
) -> None:
    """Predict each case from whatever modalities it has, and say what each added. The files stay at the site."""
    from client.use.predict import key_of, predict_folder
    from client.use.prediction_page import write_predictions

    found = predict_folder(site, release, key_of(site, key, unsigned))
    for note in found.notes:
        say(note)
    say(f"{len(found.case_ids)} cases, {found.predicted.count(-1)} without any modality of the release")
    for path in write_predictions(found, out):
        say(str(path))


@app.command()
@plainly
def report(
    site: Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")],
    release: _Release,
    out: Annotated[Path, typer.Option(help="Folder for report.html, which names cases.")],
    key: _Key = None,
    unsigned: _Unsigned = False,
) -> None:
    """Show how good a release is on this site's own cases, beside the site's own model. The page stays at the site."""
    from client.report.scores import scored_here
    from client.report.write import write_report
    from client.use.predict import checked_release, key_of

    opened, _ = checked_release(release, key_of(site, key, unsigned))
    here = scored_here(site, opened)
    say(f"{len(here.case_ids)} {here.on}")
    say(str(write_report(here, out)))


def _numbers(report: "client.check.folder.SiteReport") -> Table:
    """How the values lie, beside what is plausible."""
    table = Table("number", "cases", "all", "middle half", "plausible", "beyond", title="numbers")
    for name, found in report.modalities.items():
        table.add_section()
        for one in found.quantities:
            known = f"{one.smallest:.3g} to {one.largest:.3g}", f"{one.first_quartile:.3g} to {one.third_quartile:.3g}"
            limits = ["" if limit is None else f"{limit:.3g}" for limit in (one.low, one.high)]
            plausible = " to ".join(limits) if any(limits) else "-"
            table.add_row(f"{name}: {one.name}", str(one.cases), *known, plausible, str(one.outside))
    return table


def _show(report: "client.check.folder.SiteReport") -> None:
    from client.check.facts import by_holdings

    table = Table("modality", "cases", "for training", "notes", title=f"site {report.site}")
    for name, found in report.modalities.items():
        table.add_row(name, *_row(found))
    if report.modalities:
        console.print(table)
    if any(found.quantities for found in report.modalities.values()):
        console.print(_numbers(report))
    if report.cases:
        held = ", ".join(f"{' + '.join(names) or 'none'} {count}" for names, count in by_holdings(report.cases))
        console.print(f"{len(report.cases)} cases by what they hold: {held}", highlight=False)
    for problem in report.problems:
        show(problem)
    counts = [(sum(problem.level == level for problem in report.problems), level) for level in LEVELS]
    console.print(", ".join(f"{count} {level}{'s' * (count != 1)}" for count, level in counts), highlight=False)


def _row(found: "client.check.modality.ModalityReport") -> tuple[str, str, str]:
    if not found.offered:
        return "-", "-", "not offered by site.yaml"
    known = ["?" if count is None else str(count) for count in (found.cases, found.training_cases)]
    notes = ", ".join(f"{count} {what}" for what, count in found.notes.items())
    return known[0], known[1], notes or ("" if found.takes_part else "see below")


app.add_typer(service.app, name="service")
app.command("map")(plainly(map_command))
for _command in (commands.init, commands.trust, commands.join, commands.status, leave, page, audit):
    app.command()(plainly(_command))
