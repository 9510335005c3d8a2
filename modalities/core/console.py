"""How every command speaks: text as it is, problems that a user can mend in one message, never a traceback."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

console = Console()


def say(text: str) -> None:
    """Text as it is, in lines of any length, so that it can be copied."""
    console.print(escape(text), soft_wrap=True, highlight=False)


def plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Problems that a user can mend end with one message and exit code 1, an interrupt with 130."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except typer.Exit:  # a RuntimeError too
            raise
        except (ValueError, RuntimeError) as error:
            console.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            console.print("stopped; the same command goes on from here")
            raise typer.Exit(130) from None

    return wrapped
