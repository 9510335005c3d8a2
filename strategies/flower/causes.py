"""What lies behind an error of Flower's HTTP client: its kinds say what its text says in words that change."""

from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, the one that it was raised for, and so on down to the first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
