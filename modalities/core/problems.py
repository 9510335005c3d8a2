"""Problems as data: what is wrong, where, and what to do about it; collected from every input and said at once."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from errno import EACCES, EDQUOT, EMFILE, ENFILE, ENOMEM, ENOSPC, EPERM, EROFS

_MOST_NAMED = 10
_RIGHTS = "give this user the right to read and write there, or name another folder"
_SPACE = "make room on this disk, or name a folder on another"
_FILES = "let this user's programs have more files open (ulimit -n, or LimitNOFILE of the service)"
_MEMORY = "give this machine, or the service (MemoryMax), more memory"
_REMEDIES = {
    **dict.fromkeys((EACCES, EPERM, EROFS), _RIGHTS),
    **dict.fromkeys((ENOSPC, EDQUOT), _SPACE),
    **dict.fromkeys((EMFILE, ENFILE), _FILES),
    ENOMEM: _MEMORY,
}
LEVELS = ("error", "warning", "note")
"""An error keeps an input from being used; a warning may spoil it; a note is only to be known."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input, for whoever can mend it."""

    level: str = field(default="error", kw_only=True)
    what: str
    """What is wrong, with the value."""
    remedy: str = ""
    """What to do about it."""
    file: str = field(default="", kw_only=True)
    where: str = field(default="", kw_only=True)
    """Line, column or setting, as far as it can be said."""

    def __str__(self) -> str:
        """As a line of text; a place that `what` names itself is not said twice."""
        place = ", ".join(filter(None, [self.file, "" if self.where in self.what else self.where]))
        return f"{place}: " * bool(place) + self.what + f"; {self.remedy}" * bool(self.remedy)

    def to_dict(self) -> dict[str, str]:
        """As plain values, for `--json`."""
        return asdict(self)


class ProblemsError(ValueError):
    """What is wrong with an input, all of it; its text has a line for each problem."""

    def __init__(self, *problems: Problem) -> None:
        """Of one problem or more."""
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        """A line for each."""
        return "\n".join(map(str, self.problems))


def warning(what: str, remedy: str = "", *, file: str = "", where: str = "") -> Problem:
    """What may spoil an input."""
    return Problem(what, remedy, file=file, where=where, level="warning")


def note(what: str, remedy: str = "", *, file: str = "", where: str = "") -> Problem:
    """What is only to be known."""
    return Problem(what, remedy, file=file, where=where, level="note")


def unusable(what: str, remedy: str = "", *, file: str = "", where: str = "") -> ProblemsError:
    """The error of one problem, to raise."""
    return ProblemsError(Problem(what, remedy, file=file, where=where))


def check(problems: Iterable[Problem | str]) -> None:
    """Raise one ProblemsError that holds every problem, if there is any; empty texts are none."""
    wrong = [Problem(problem) if isinstance(problem, str) else problem for problem in problems if problem]
    if wrong:
        raise ProblemsError(*wrong)


def problems_of(error: Exception, *, file: str = "", where: str = "") -> list[Problem]:
    """The problems that an error holds, or that it is; file and place are for those that name none themselves."""
    held = error.problems if isinstance(error, ProblemsError) else [Problem(str(error))]
    return [replace(problem, file=problem.file or file, where=problem.where or where) for problem in held]


def remedy_of(error: BaseException) -> str:
    """What to do where the machine gives a program no more of something; empty where nobody knows."""
    if isinstance(error, OSError):
        return _REMEDIES.get(error.errno or 0, "")
    # torch's own allocator raises a RuntimeError
    return _MEMORY if isinstance(error, MemoryError) or "can't allocate memory" in str(error) else ""


def listing(items: Sequence[str]) -> str:
    """The first ten items and how many more there are."""
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


@contextmanager
def gathering(problems: list[Problem], *, file: str = "", where: str = "") -> Iterator[None]:
    """Add what goes wrong in the block to the problems, so that others can still be looked for."""
    try:
        yield
    except ValueError as error:
        problems += problems_of(error, file=file, where=where)


def once(problems: Iterable[Problem]) -> list[Problem]:
    """Those that differ by their places alone are one, which names the places."""
    alike: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.level, problem.what, problem.remedy), []).append(problem)
    return [replace(own[0], file=_places(own, "file"), where=_places(own, "where")) for own in alike.values()]


def _places(problems: Sequence[Problem], name: str) -> str:
    places = dict.fromkeys(getattr(problem, name) for problem in problems)
    return listing([place for place in places if place])


def worst_first(problems: Iterable[Problem]) -> list[Problem]:
    """Errors first, then warnings, then notes; otherwise in their order."""
    return sorted(problems, key=lambda problem: LEVELS.index(problem.level))
