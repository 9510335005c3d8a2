"""Carries a study to its end: a Flower run after another, each going on from the checkpoint of the one before."""

import datetime
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any, TypeVar

from modalities.core.files.atomic import write_atomically
from modalities.core.problems import check
from modalities.core.release.release import MODEL, open_release
from modalities.core.release.signing import sign
from server.coordinator.flower import is_up, nodes, nodes_file, outcome, submit, unfinished_runs
from server.coordinator.folder import Study
from server.coordinator.renewal import has_ended
from server.state.checkpoint import CHECKPOINT
from server.state.release import made_by, write_release
from server.state.status import read_status, stage
from server.state.study import StudyState
from strategies.bundle import REPOSITORY, digest_of_checkout, staged_app
from strategies.flower.command_line import COMPLETED, is_finished
from strategies.settings import load_federation

_MOST_DEATHS = 3
_LOOK_S = 0.5
_ASK_AFTER, _ASK_WHEN_DONE = 20, 4
"""Looks without a change."""
_MOST_FAILURES, _ASK_AGAIN_S = 3, 2.0
Show = Callable[[Mapping[str, Any]], None]
FLOWER_RUN = "flower-run"
"""Beside a checkpoint: the id of the Flower run that was last begun for it."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Work:
    """What Flower runs of a study are to bring about, and where."""

    out: Path
    """Folder of checkpoint and status."""
    result: Path
    """The file that is there once it is done."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Of the run config, beside what every run of the study is told."""


def carry_out(study: Study, show: Show) -> Path:
    """Run the study until its release is there, and sign it; `show` is given the status as it changes.

    A run that dies is followed by another, unless three in a row ended without a step forward. One that goes on since
    an earlier call is followed to its end.

    Raises:
        ValueError: something is missing, all of it is said; or the release is not as it was written.
        RuntimeError: the study cannot go on; the message says what Flower said.
    """
    release = study.run / "release"
    if not _is_released(release):
        run_until_there(study, Work(study.run, release / MODEL), show)
    return _signed(study, release)


def refuse_unbegun(study: Study) -> None:
    """Nothing can be resumed before the first step is done."""
    if not (_checkpoint(study).is_file() or _is_released(study.run / "release")):
        raise ValueError(
            f"{study.folder}: nothing to resume, since no step of this study is finished; begin it with "
            f"`tessera-server run {study.folder}`"
        )


def finished_release(study: Study) -> Path:
    """The signed release of a finished study, written again from the checkpoint where it is missing or damaged.

    Raises:
        ValueError: the study is not finished, or the release is of other settings.
    """
    release, checkpoint = study.run / "release", _checkpoint(study)
    if not checkpoint.is_file() and not _is_released(release):
        refuse_unbegun(study)
    if checkpoint.is_file() and not _is_whole(release):
        state = StudyState.load(checkpoint, load_federation(study.federation))
        if not state.finished:
            where = stage(read_status(study.run), "statistics")
            raise ValueError(
                f"{study.folder}: this study is not finished, so there is no release: it is in phase {where}; go on "
                f"with `tessera-server resume {study.folder}`"
            )
        write_release(release, state, made_by(digest_of_checkout()))
    return _signed(study, release)


def _signed(study: Study, release: Path) -> Path:
    _refuse_another_studys(study, release)
    sign(release, study.release_key)
    write_atomically(release / "release.pub", study.release_public_key.read_bytes())
    return release


def _is_whole(release: Path) -> bool:
    """Whether every file is as it was written."""
    try:
        open_release(release)
    except (OSError, ValueError):
        return False
    return True


def run_until_there(study: Study, work: Work, show: Show) -> None:
    """One run after another until one was completed or the result is there, unless three made no step forward.

    Raises:
        ValueError: something is missing, all of it is said.
        RuntimeError: it cannot go on; the message says what Flower said.
    """
    _refuse_what_cannot_run(study)
    deaths, before = 0, _mark(work)
    while not work.result.is_file():
        run_id = _answer(study, show, lambda: _run_to_follow(study, work))
        state, details = _follow(study, work, run_id, show)
        if state == COMPLETED:
            break
        deaths = 1 if _mark(work) != before else deaths + 1
        before = _mark(work)
        show({**read_status(work.out), "note": f"run {run_id} ended as {state} ({details}); going on from there"})
        if deaths >= _MOST_DEATHS:
            raise RuntimeError(
                f"{deaths} runs in a row made no step forward: {details or state}; the log is {study.superlink_log}"
            )


def _run_to_follow(study: Study, work: Work) -> int:
    """The one that goes on since an earlier call, or a new one.

    Raises:
        ValueError: one goes on that is for something else: two at a time would wait for each other's sites.
    """
    if unfinished := unfinished_runs(study):
        _refuse_another_works(study, work, unfinished[-1])
        return unfinished[-1]
    app = staged_app(REPOSITORY, _fresh(study.flower / "app"))
    run_id = submit(study, app, _run_config(study, work))
    write_atomically(work.out / FLOWER_RUN, str(run_id).encode())
    return run_id


def _refuse_another_works(study: Study, work: Work, run_id: int) -> None:
    begun_for = [path.parent for path in study.run.rglob(FLOWER_RUN) if path.read_text("ascii") == str(run_id)]
    if begun_for and work.out not in begun_for:
        raise ValueError(
            f"{study.folder}: Flower run {run_id} goes on, whose checkpoint is in {begun_for[0]}: wait until it has "
            "ended, or carry it on with the command that began it"
        )


def _follow(study: Study, work: Work, run_id: int, show: Show) -> tuple[str, str]:
    """Show the status as it changes until the run has ended; Flower's own word for how.

    Flower is asked only where nothing has changed for a while: its command line takes seconds of a processor.
    """
    quiet, shown = 0, None
    while True:
        status = read_status(work.out)
        if status != shown:
            show(status)
            quiet, shown = 0, status
        if quiet == (_ASK_WHEN_DONE if status.get("finished") else _ASK_AFTER):
            state, details = _answer(study, show, lambda: outcome(study, run_id))
            shown = None  # what was shown may be that the SuperLink did not answer
            if is_finished(state):
                show(read_status(work.out))
                return state, details
        quiet += 1
        time.sleep(_LOOK_S)


def _answer(study: Study, show: Show, ask: Callable[[], Answer]) -> Answer:
    """What Flower answers, however long its SuperLink is down meanwhile: `start` may bring it back at any time.

    Raises:
        RuntimeError: the SuperLink is up, and Flower fails again and again.
    """
    failures = 0
    while True:
        if is_up(study):
            try:
                return ask()
            except (RuntimeError, TimeoutExpired):  # it may just be going down
                failures += 1
                if failures >= _MOST_FAILURES:
                    raise
        else:
            failures = 0
            show({**read_status(study.run), "note": _no_answer(study)})
        time.sleep(_ASK_AGAIN_S)


def _no_answer(study: Study) -> str:
    """Why the SuperLink does not answer, and what to do."""
    ended = has_ended(study, datetime.datetime.now(datetime.UTC))
    return ended or f"the SuperLink does not answer: run `tessera-server start {study.folder}`"


def _is_released(release: Path) -> bool:
    return (release / MODEL).is_file()


def _refuse_another_studys(study: Study, release: Path) -> None:
    """Nothing is signed that changed since it was written, or that other settings made."""
    made, now = open_release(release).federation.digest, load_federation(study.federation).digest
    if made != now:
        raise ValueError(
            f"{release} is of other settings than {study.federation} has now: put the old ones back, or begin another "
            "study in a folder of its own"
        )


def _run_config(study: Study, work: Work) -> dict[str, str | int | float]:
    settings = study.settings()
    return {
        "federation": str(study.federation.resolve()),
        "out": str(work.out.resolve()),
        "nodes": str(nodes_file(study).resolve()),
        "rosters": str(study.rosters.resolve()) if study.rosters.is_dir() else "",
        "release-key": str(study.release_key.resolve()),
        "code": digest_of_checkout(),
        "sites": settings.sites,
        "wait": settings.wait_s,
        "round-timeout": settings.round_timeout_s,
        **work.config,
    }


def _fresh(folder: Path) -> Path:
    """The same folder, without what an earlier run left there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _mark(work: Work) -> float:
    """Changes with every step."""
    path = work.out / CHECKPOINT
    return path.stat().st_mtime if path.is_file() else 0.0


def _checkpoint(study: Study) -> Path:
    return study.run / CHECKPOINT


def _refuse_what_cannot_run(study: Study) -> None:
    settings, known = study.settings(), nodes(study)
    is_masked = load_federation(study.federation).privacy.is_masked
    check(
        [_no_answer(study)] * (not is_up(study))
        + [f"coordinator.yaml waits for {settings.sites} sites, but {len(known)} are enrolled; enrol them, or lower it"]
        * (len(known) < settings.sites)
        + [f"federation.yaml asks for masked sums, which need a roster: run `tessera-server roster {study.folder}`"]
        * (is_masked and not study.roster.is_file())
        + [f"{REPOSITORY}: no Flower app here; run from a clone of the repository, installed as editable"]
        * (not (REPOSITORY / "pyproject.toml").is_file())
    )
