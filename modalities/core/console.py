"""How every command speaks: text as it is, problems that a user can mend all at once, never a traceback.

A command that goes on for days keeps a log: what it says, each line with its time and level.
"""

import logging
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment

from modalities.core import logs
from modalities.core.problems import Problem, problems_of, remedy_of


class _PlainConsole(Console):
    """What others wrote (names of sites, columns, files) is shown, and steers no terminal: not by a table either."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            lines = text.split("\n")
            yield segment if control else Segment("\n".join(map(logs.plain, lines)), style)


console = _PlainConsole()
_COLOURS = {"error": "bold red", "warning": "yellow", "note": "dim"}
_OTHERS_WRITE = 0o022
"""Rights that no command gives others, whatever the umask it is called under."""
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "note": logging.INFO}
LogJson = Annotated[bool, typer.Option("--log-json", help="Log one JSON object a line, on standard output too.")]
Syslog = Annotated[
    str, typer.Option(help="Send what this command says to syslog too: a socket such as /dev/log, or host:port (UDP).")
]

PagePort = Annotated[int, typer.Option("--port", help="A port of this machine; 0 takes a free one.", min=0, max=65535)]


def say(text: str) -> None:
    """Text as it is, in lines of any length, so that it can be copied; a line of the log where one is kept."""
    if logs.is_open():
        logs.tell(logging.INFO, text)
    else:
        _print(text)


def say_inside(text: str) -> None:
    """The same of what may name a case: neither syslog nor the machine's journal has it."""
    if logs.is_open():
        logs.tell(logging.WARNING, text, inside=True)
    else:
        _print(text)


def show(problem: Problem) -> None:
    """A problem in a line, after its level."""
    if logs.is_open():
        logs.tell(_LEVELS[problem.level], str(problem))
    else:
        _print(str(problem), problem.level)


def _print(text: str, level: str = "") -> None:
    before = f"[{_COLOURS[level]}]{level}:[/] " if level else ""
    console.print(f"{before}{escape(text)}", soft_wrap=True, highlight=False)


def plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Problems that a user can mend are shown, with exit code 1; an interrupt ends with 130."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        os.umask(os.umask(_OTHERS_WRITE) | _OTHERS_WRITE)
        with _plain_problems():
            command(*args, **kwargs)

    return wrapped


@contextmanager
def _plain_problems() -> Iterator[None]:
    try:
        yield
    except typer.Exit:  # a RuntimeError too
        raise
    except (ValueError, RuntimeError) as error:
        for problem in problems_of(error):
            show(problem)
        raise typer.Exit(1) from None
    except TimeoutExpired as late:
        command = Path(late.cmd if isinstance(late.cmd, str) else str(late.cmd[0])).name
        show(Problem(f"{command} did not answer within {late.timeout:.0f} s", "is this machine busy? type this again"))
        raise typer.Exit(1) from None
    except (OSError, MemoryError) as error:
        if not remedy_of(error):
            raise
        what = str(error.strerror) if isinstance(error, OSError) else str(error) or "no more memory"
        show(Problem(what, remedy_of(error), file=str(getattr(error, "filename", None) or "")))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here")
        raise typer.Exit(130) from None


class _Terminal(logging.Handler):
    """What a command that goes on says, as it is, where a person reads along."""

    def emit(self, record: logging.LogRecord) -> None:
        text = "\n".join(logs.printed(record.getMessage()))
        level = next((name for name in ("error", "warning") if _LEVELS[name] == record.levelno), "")
        _print(text, level)


@contextmanager
def logged(command: str, file: Path, *, as_json: bool = False, syslog: str = "") -> Iterator[None]:
    """A command that goes on: what it and its programs say goes to its log, and the reason why it ended too."""
    terminal = _Terminal() if console.is_terminal else None
    with logs.log_open(command, file, as_json=as_json, syslog=syslog, terminal=terminal), _plain_problems():
        try:
            yield
        except (KeyboardInterrupt, OSError, RuntimeError, TimeoutExpired, ValueError):
            raise
        except Exception:
            logs.tell(logging.ERROR, traceback.format_exc(), inside=True)
            raise


def progress_of(console: Console, *more: ProgressColumn, transient: bool = False) -> Progress:
    """The bar that every long command shows; `more` columns stand before the time that is left."""
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), *more, TimeRemainingColumn(), console=console, transient=transient)
