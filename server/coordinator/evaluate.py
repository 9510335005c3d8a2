"""`tessera-server evaluate`: the sites of a study score a release, without any training."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live

from modalities.core.console import console, say
from modalities.core.files.atomic import write_atomically
from modalities.core.problems import check, unusable
from modalities.core.release.signing import check_signature
from modalities.core.settings.differences import differences
from modalities.core.settings.federation import Federation
from server.coordinator.folder import Study
from server.coordinator.live_view import view
from strategies.settings import load_federation


def evaluate(
    release: Annotated[Path, typer.Argument(help="A signed release.")],
    folder: Annotated[Path, typer.Argument(help="The folder of a study with the release's federation.yaml.")],
    key: Annotated[Path, typer.Option(help="release.pub of the coordinator that signed it, from them.")],
) -> None:
    """Let the enrolled sites of a study score a signed release; nothing is trained. It goes on from where it stands."""
    study = Study(folder)
    signer = check_signature(release, key)
    out, digest = _prepared(study, release, key)
    found = _evaluated(study, release, out, digest)
    say(f"{release}, signed by {signer}, scored by {_n_sites(found)} sites: {out / 'evaluation.json'}")


def _prepared(study: Study, release: Path, key: Path) -> tuple[Path, str]:
    """The folder of this release's evaluation below the study's run, and the release's digest.

    What the study's own evaluation settled on goes along: a site opens a sum for a question with one set of sites only.

    Raises:
        ValueError: the release is damaged, or not what the key signed, or of other settings than the study, or these
            allow no evaluation.
    """
    from modalities.core.release.release import open_release
    from server.phases.sites import SURVIVORS

    opened, settings = open_release(release), load_federation(study.federation)
    check_signature(release, key, opened.written)
    check(list(_problems(study, opened.federation, settings)))
    out = study.run / "evaluations" / opened.digest[:12]
    out.mkdir(parents=True, exist_ok=True)
    if (study.run / SURVIVORS).is_file() and not (out / SURVIVORS).exists():
        write_atomically(out / SURVIVORS, (study.run / SURVIVORS).read_bytes())
    return out, opened.digest


def _problems(study: Study, released: Federation, settings: Federation) -> list[str]:
    """Sites answer under the settings that they agreed to only, so these must be the release's."""
    unlike = differences({"release": released, "study": settings})
    epsilon = f"{study.federation}: this study keeps an epsilon, which does not account for an evaluation"
    what = f"{study.federation}: other settings than the release's, under which its model was trained; put those of "
    what += f"the release there, and have the sites agree to them: {'; '.join(unlike)}"
    return [what] * bool(unlike) + [epsilon] * bool(settings.privacy.epsilon)


def _evaluated(study: Study, release: Path, out: Path, digest: str) -> dict[str, Any]:
    """What evaluation.json says, once it is there.

    Raises:
        ValueError: no site lets a number out.
        RuntimeError: it cannot go on; the message says what Flower said.
    """
    from server.coordinator.runs import Work, run_until_there
    from server.state.evaluation import EVALUATION_FILE
    from server.state.status import read_status

    result = out / EVALUATION_FILE
    with Live(console=console, refresh_per_second=2, transient=not console.is_terminal) as live:
        if not result.is_file():
            config = {"release": str(release.resolve()), "release-digest": digest}
            run_until_there(study, Work(out, result, config), lambda status: live.update(view(status)))
        live.update(view(read_status(out)))
    if not result.is_file():
        why = "; ".join(dict.fromkeys(note["text"] for note in read_status(out).get("notes", ())))
        remedy = f"once that has changed, move {out} away and call this again"
        raise unusable(f"the sites' answers hold no number: {why}", remedy, file=str(release))
    if not console.is_terminal:
        console.print(view(read_status(out)))
    return json.loads(result.read_text(encoding="utf-8"))


def _n_sites(found: dict[str, Any]) -> int:
    return sum(found["sites_by_policy"].values())
