"""What a check found, for a data manager: where it is, what is wrong, and what to do."""

import re
from dataclasses import asdict, dataclass

LEVELS = ("error", "warning", "note")
"""An error keeps the site from taking part as it should; a warning may; a note is only to be known."""

_MESSAGE = re.compile(
    r"(?:(?P<file>[^:;,()]*\.\w+(?:\.\w+)*|[^:;,()\s]+/)(?:, (?P<place>line[^:]*?(?:, column '.*?')?))?: )?"
    r"(?P<what>.*?)(?:; (?P<remedy>[^;]*))?",
    re.DOTALL,
)
_PLACES = (re.compile(r"line \d+(?: and \d+ more)?"), re.compile(r"column '[^']*'"))
_SETTING = re.compile(r"(?:site|sources|policy)\.[\w.]+")


@dataclass(frozen=True)
class Finding:
    """One thing that a check found."""

    level: str
    what: str
    remedy: str = ""
    file: str = ""
    where: str = ""
    """Line, column or setting, as far as it can be said."""

    def __post_init__(self) -> None:
        """Check the level."""
        if self.level not in LEVELS:
            raise ValueError(f"level must be one of {LEVELS}, got {self.level!r}")

    def __str__(self) -> str:
        """As a line of text."""
        place = ", ".join([self.file] * bool(self.file) + [self.where] * (self.where not in self.what))
        return f"{place}: " * bool(place) + self.what + f"; {self.remedy}" * bool(self.remedy)

    def to_dict(self) -> dict[str, str]:
        """As plain values."""
        return asdict(self)


def findings_of(message: str, file: str = "") -> list[Finding]:
    """The errors in a reader's message, which has a problem a line: `FILE[, PLACE]: WHAT; REMEDY`."""
    lines = [line for line in message.splitlines() if line.strip() and not line.endswith(":")]
    return [_finding_of(line, file) for line in lines]


def _finding_of(line: str, file: str) -> Finding:
    match = _MESSAGE.fullmatch(line)
    said = match.groupdict(default="") if match else {"file": "", "place": "", "what": line, "remedy": ""}
    if _SETTING.fullmatch(said["file"]):
        return Finding("error", said["what"], said["remedy"], "site.yaml", said["file"])
    found = [place[0] for pattern in _PLACES if (place := pattern.search(said["what"]))]
    return Finding("error", said["what"], said["remedy"], said["file"] or file, said["place"] or ", ".join(found))


def worst(findings: list[Finding]) -> list[Finding]:
    """Errors first, then warnings, then notes; otherwise in their order."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))
