"""How every command speaks: text as it is, problems that a user can mend all at once, never a traceback."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import typer
from rich.console import Console
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

from modalities.core.problems import Problem, problems_of

console = Console()
_COLOURS = {"error": "bold red", "warning": "yellow", "note": "dim"}


def say(text: str) -> None:
    """Text as it is, in lines of any length, so that it can be copied."""
    console.print(escape(text), soft_wrap=True, highlight=False)


def show(problem: Problem) -> None:
    """A problem in a line, after its level."""
    level = f"[{_COLOURS[problem.level]}]{problem.level}:[/]"
    console.print(f"{level} {escape(str(problem))}", soft_wrap=True, highlight=False)


def plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Problems that a user can mend are shown, with exit code 1; an interrupt ends with 130."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except typer.Exit:  # a RuntimeError too
            raise
        except (ValueError, RuntimeError) as error:
            for problem in problems_of(error):
                show(problem)
            raise typer.Exit(1) from None
        except PermissionError as error:
            remedy = "give this user the right to read and write there, or name another folder"
            show(Problem(str(error.strerror), remedy, file=str(error.filename or "")))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            console.print("stopped; the same command goes on from here")
            raise typer.Exit(130) from None

    return wrapped


def progress_of(console: Console, *more: ProgressColumn, transient: bool = False) -> Progress:
    """The bar that every long command shows; `more` columns stand before the time that is left."""
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), *more, TimeRemainingColumn(), console=console, transient=transient)
