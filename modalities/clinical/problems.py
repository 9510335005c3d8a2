"""Collects what is wrong with the files, so that a data manager sees all of it at once."""

from collections import defaultdict

from modalities.core.problems import Problem, check

_MOST_LISTED = 20


class Problems:
    """A list of problems; the same unknown value in many rows is one of them."""

    def __init__(self) -> None:
        self._general: list[str] = []
        self._lines: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)

    def add(self, problem: str) -> None:
        """A problem that says for itself where it is and what to do."""
        self._general.append(problem)

    def add_value(self, file: str, line: int, column: str, value: str, remedy: str) -> None:
        """A value that the dictionary does not know."""
        self._lines[file, column, value, remedy].append(line)

    def raise_if_any(self) -> None:
        """Raise one ProblemsError that holds them, at most 20 and the number of the rest."""
        listed = [Problem(text) for text in self._general] + [
            Problem(f"{value!r} is not known", remedy, file=file, where=f"{_place(lines)}, column {column!r}")
            for (file, column, value, remedy), lines in self._lines.items()
        ]
        more = len(listed) - _MOST_LISTED
        check([*listed[:_MOST_LISTED], *([f"and {more} more problems"] if more > 0 else [])])


def _place(lines: list[int]) -> str:
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"line {lines[0]}{more}"
