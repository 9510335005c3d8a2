"""Every warning and error that a deployment logs has a reason here, or is unexplained."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rule:
    """Lines that nobody needs to look at, and why."""

    program: str
    """Whose lines they are, as the log has it; a regular expression."""
    text: str
    """A regular expression that the line begins with."""
    why: str

    def explains(self, program: str, text: str) -> bool:
        return bool(re.fullmatch(self.program, program) and re.match(self.text, text))


_TOO_EARLY = "a killed site is back before the server has given it up: refused, it connects again until it is let in"
_CUT_OFF = "a site went over a request"
_OUTLIVED = "a task outlived its site's SuperNode by a moment: its reply is lost, and asked for again"
_AWAY = "a site went, as it should here"
RULES = (
    Rule("supernode", r"(Exit Code: 305$|Failed to initialize the connection|\[code: 2004\] Failed to)", _TOO_EARLY),
    Rule("supernode", r"(The SuperNode could not establish a connection|For more information, visit: )", _TOO_EARLY),
    Rule("superlink", r"\[/v1/fleet/activate-node\]\[ApiError:2004\] Attempted to register", _TOO_EARLY),
    Rule("nginx", r"\S+ POST /v1/fleet/activate-node 412 ", _TOO_EARLY),
    Rule("nginx", r"\S+ POST /v1/fleet/(push-object|pull-object|pull-messages) 499 ", _CUT_OFF),
    Rule("fork-server", r"(Connection attempt failed, retrying|Failed to push task output: .*refused)", _OUTLIVED),
    Rule("fork-server", r"audit.tree: made again, since it was not that of the log", "killed between log and tree"),
    Rule("fork-server", r"the request train.branches came too early", "it is back, and is sent the settings next"),
    Rule("fork-server|join", r"cnv: \d features lie far from the other sites'", "made-up columns, one value elsewhere"),
    Rule("supernode", r"Connection attempt failed, retrying", "the server was busy: tried again"),
    Rule("run", r"noted: (site_\d: away: not connected; it is asked again|cnv: waits: \d of the at least)", _AWAY),
    Rule("run", r"noted: site_\d: it is here and up to date, and takes part from now on", _AWAY),
    Rule("run", r"noted: no site lets out how good the model is", "no site's policy lets it out"),
)
_LINE = re.compile(r"\S+T\S+ (?P<level>\w+) +(?P<program>[^:]+): (?P<text>.*)")
_NGINX = re.compile(r"\S+ \S+ \[(?P<level>\w+)\] (?P<text>.*)")
_NOTE = re.compile(r"(noted|refused|warning|error): ")
"""How a line of `run` begins that is not of its table; the lines that one goes on with begin with none."""
_QUIET = {"DEBUG", "INFO", "notice", "info", "debug"}


def lines_in(log: Path) -> Iterator[tuple[str, str]]:
    """Program and text of every line that is a warning or worse, or of no form that is known."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if found := _LINE.match(line) or _NGINX.match(line):
            parts = found.groupdict()
            if parts["level"] not in _QUIET:
                yield parts.get("program", "nginx"), parts["text"]
        elif log.name == "run.out":
            if _NOTE.match(line):
                yield "run", line
        elif line.strip():
            yield "?", line


def sorted_out(logs: Iterator[Path]) -> tuple[Counter[Rule], Counter[str]]:
    """How often each rule explained a line, and every line that none does."""
    explained: Counter[Rule] = Counter()
    unexplained: Counter[str] = Counter()
    for log in logs:
        for program, text in lines_in(log):
            if rule := next((rule for rule in RULES if rule.explains(program, text)), None):
                explained[rule] += 1
            else:
                unexplained[f"{log.name}: {program}: {text}"] += 1
    return explained, unexplained
