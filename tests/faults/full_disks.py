"""Studies on disks that fill up: run by test_full_disks.py in a mount namespace, where two folders are small disks.

`python -m tests.faults.full_disks FOLDER` expects `run` and `sites/site_3/.tessera` below the folder to be those, and
prints a line of JSON for each thing that was tried.
"""

import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from flwr.app import Message

from server.state.study import StudyState
from tests.faults.test_sites_that_fail import HOLDINGS, N_CASES
from tests.forked import forked
from tests.support import (
    WatchedGrid,
    agree,
    loses_what_was_missing,
    run_small,
    same_study,
    site_number,
    small_federation,
    write_sites,
)

FEDERATION = small_federation(
    fusion__rounds=3, modalities__cnv__federated__rounds=2, modalities__hif__federated__rounds=2
)
PHASES = ("statistics", "branches", "fusion", "calibration")
SITE_REQUESTS = ("train.branches", "train.fusion", "query.conformal")


def fill(disk: Path) -> None:
    """Leave not a byte."""
    with suppress(OSError), (disk / "filler").open("ab", buffering=0) as file:
        while True:
            file.write(bytes(512))


def make_room(disk: Path) -> None:
    (disk / "filler").unlink(missing_ok=True)


def coordinator(folder: Path, phase: str, whole: StudyState) -> dict:
    """The disk is full after the first step of a phase; then there is room again."""
    disk, seen = folder / "run", []
    checkpoint = disk / "checkpoint.safetensors"

    def fills(event: dict) -> None:
        seen.append(event)
        if event["phase"] == phase:
            fill(disk)

    said = ""
    try:
        run_small(folder / "sites", FEDERATION, checkpoint=checkpoint, status=disk, report=fills)
    except RuntimeError as error:
        said = str(error)
    make_room(disk)
    kept = checkpoint.is_file() and StudyState.load(checkpoint, FEDERATION) is not None
    resumed = run_small(folder / "sites", FEDERATION, checkpoint=checkpoint, status=disk)
    for path in disk.iterdir():
        path.unlink()
    same, at = same_study(resumed, whole), seen[-1]["phase"]
    return {"party": "coordinator", "phase": phase, "at": at, "said": said, "kept": kept, "same": same}


def site(folder: Path, request: str, whole: StudyState) -> dict:
    """The disk of the third site is full while it answers its first request of a kind."""
    disk, full = folder / "sites" / "site_3" / ".tessera", []

    def fills(message: Message) -> None:
        make_room(disk)
        if site_number(message) == 3 and message.metadata.message_type == request and not full:
            full.append(message)
            fill(disk)

    for own in folder.glob("sites/*/.tessera"):  # as a site that never took part
        for path in own.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    with forked(folder / "sites", fills) as grid:
        study = run_small(folder / "sites", FEDERATION, grid)
        log = grid.inner.log.read_text()
        grid.inner.log.unlink()
    make_room(disk)
    lost = WatchedGrid(folder / "sites", 3, loses=loses_what_was_missing(study.missing.rounds))
    expected = run_small(folder / "sites", FEDERATION, lost)
    return {
        "party": "site",
        "phase": request,
        "was_full": bool(full),
        "notes": [note.text for note in study.notes if note.site == "site_3"],
        "missing": study.missing.rounds,
        "logged": "No space left on device" in log,
        "head": {name: values.tolist() for name, values in study.head.items()}
        == {name: values.tolist() for name, values in whole.head.items()},
        "same": same_study(study, expected),
    }


def tell(tried: dict) -> None:
    sys.stdout.write(json.dumps(tried) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    here = Path(sys.argv[1])
    write_sites(here / "sites", FEDERATION, HOLDINGS, N_CASES)
    for name in ("site_1", "site_2", "site_3"):
        agree(here / "sites", name, FEDERATION)
    undisturbed = run_small(here / "sites", FEDERATION)
    for phase in PHASES:
        tell(coordinator(here, phase, undisturbed))
    for request in SITE_REQUESTS:
        tell(site(here, request, undisturbed))
