"""What a command that goes on says, and what the programs that it started say: each line with its time and level.

One process writes, in the name of all: its own words, and every line that its programs print. So the file can be
bounded, and no line of theirs goes without a time.

Nothing of this decides anything: what other commands want to know is kept as data elsewhere.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from logging import INFO, Handler, LogRecord
from logging.handlers import RotatingFileHandler, SysLogHandler
from pathlib import Path

MOST_BYTES, KEPT_FILES = 10 * 2**20, 5
"""A log file never grows beyond the first; so many earlier ones are kept beside it, as site.log.1 and so on."""
_PROGRAM, _OWN, _INSIDE = "program", "own", "inside"
_LOGGER = "tessera.programs"
_FORMATTING = "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[\\x00-\\x1f\\x7f-\\x9f{_FORMATTING}\\ud800-\\udfff]")
_SYSLOG_PORT = 514
Tell = Callable[[int, str], None]
"""A level and a line."""


def plain(text: str) -> str:
    r"""Text in which no character acts on a terminal or begins another line: an escape is seen as ``\x1b``.

    Letters of every script stay. What turns the direction of writing does not: it can make a name look like another.
    """
    return _CONTROL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def printed(text: str) -> list[str]:
    """The lines of a text, each as `plain` has it; a tab is a space."""
    return [plain(line.replace("\t", " ").rstrip()) for line in text.strip("\n").split("\n")]


class PlainFormatter(logging.Formatter):
    """Level and message in one line that no message can leave; behind an exception, the lines of its traceback."""

    def format(self, record: LogRecord) -> str:
        """As the programs of a site and of a coordinator print it, for whoever reads their lines."""
        lines = [f"{record.levelname}: {plain(record.getMessage())}"]
        if record.exc_info:
            lines += [f"  {line}" for line in printed(self.formatException(record.exc_info))]
        return "\n".join(lines)


class TextFormatter(logging.Formatter):
    """`2026-11-29T10:11:12.345+01:00 WARNING supernode: text`; each further line of a text goes the same way."""

    def format(self, record: LogRecord) -> str:
        """A line or more."""
        first = f"{_time_of(record)} {record.levelname:<7} {_program_of(record)}: "
        line, *more = _lines_of(record)
        return "\n".join([first + line, *(f"{first}| {further}" for further in more)])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, program, text."""

    def format(self, record: LogRecord) -> str:
        """One line."""
        said = {"time": _time_of(record), "level": record.levelname.lower(), "program": _program_of(record)}
        return json.dumps({**said, "text": "\n".join(_lines_of(record))}, ensure_ascii=False)


class _SyslogFormatter(logging.Formatter):
    """Syslog has a time and a level of its own."""

    def format(self, record: LogRecord) -> str:
        return f"tessera-{_program_of(record)}[{os.getpid()}]: {' | '.join(_lines_of(record))}"


def _time_of(record: LogRecord) -> str:
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _program_of(record: LogRecord) -> str:
    return getattr(record, _PROGRAM, record.name)


def _lines_of(record: LogRecord) -> list[str]:
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + logging.Formatter().formatException(record.exc_info)
    return printed(text)


class _File(RotatingFileHandler):
    """Bounded; found again where somebody renamed or removed it; a full disk ends no connection."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=MOST_BYTES, backupCount=KEPT_FILES, encoding="utf-8", delay=True)

    def emit(self, record: LogRecord) -> None:
        if self.stream is not None and not self._is_there(self.stream.fileno()):
            self.close()  # and opened anew by what follows
        super().emit(record)

    def close(self) -> None:
        with suppress(OSError):  # of what a full disk did not take
            super().close()

    def handleError(self, record: LogRecord) -> None:  # noqa: N802 (the name is logging's)
        """The line is lost, and so is a message about that: both would go to this file."""

    def _is_there(self, descriptor: int) -> bool:
        try:
            now, opened = Path(self.baseFilename).stat(), os.fstat(descriptor)
        except OSError:
            return False
        return (now.st_dev, now.st_ino) == (opened.st_dev, opened.st_ino)


class _Syslog(SysLogHandler):
    """One that is started anew in between ends no connection."""

    append_nul = False

    def handleError(self, record: LogRecord) -> None:  # noqa: N802 (the name is logging's)
        """The line is in the command's own log."""


def _is_said(record: LogRecord) -> bool:
    """Whether the command itself says it: what its programs print is in the file alone."""
    return getattr(record, _OWN, False)


def _may_leave(record: LogRecord) -> bool:
    """Whether a reader of the machine's own log may know it: what may name a case stays in the site's file."""
    return _is_said(record) and not getattr(record, _INSIDE, False)


_open_for: list[str] = []
"""The command that keeps a log; none where none does."""


@contextmanager
def log_open(
    command: str, file: Path | None, *, as_json: bool = False, syslog: str = "", terminal: Handler | None = None
) -> Iterator[None]:
    """The log of a command that goes on, until the block ends; `tell` and the console write to it.

    `file` has everything. Standard output (or `terminal`) and syslog have what the command itself says; the journal of
    systemd and syslog, nothing of it that may name a case. `syslog` is a socket such as /dev/log, or host:port (UDP).

    Raises:
        ValueError: nothing takes messages at `syslog`.
    """
    handlers = [*_file_handlers(file, as_json), _screen(as_json, terminal), *_syslog_handlers(syslog, as_json)]
    ours = logging.getLogger(_LOGGER)
    ours.setLevel(INFO)
    ours.propagate = False
    loggers = (ours, logging.getLogger())  # what a library of this process logs is in the file too
    for handler in handlers:
        for logger in loggers:
            logger.addHandler(handler)
    _open_for.append(command)
    try:
        yield
    finally:
        _open_for.pop()
        for handler in handlers:
            for logger in loggers:
                logger.removeHandler(handler)
            handler.close()


def is_open() -> bool:
    """Whether a command that goes on keeps a log at present."""
    return bool(_open_for)


def tell(level: int, text: str, *, program: str = "", inside: bool = False) -> None:
    """A line for the open log: of this command, or of a program that it started; `inside` where it may name a case."""
    own = _open_for[-1] if _open_for else "tessera"
    extra = {_PROGRAM: program or own, _OWN: not program, _INSIDE: inside}
    logging.getLogger(_LOGGER).log(level, "%s", text, extra=extra)


def teller(program: str) -> Tell:
    """`tell` for the lines of a program, which may name cases."""
    return lambda level, text: tell(level, text, program=program, inside=True)


def _file_handlers(file: Path | None, as_json: bool) -> list[Handler]:
    if file is None or not file.parent.is_dir():
        return []
    handler = _File(file)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    return [handler]


def _screen(as_json: bool, terminal: Handler | None) -> Handler:
    handler = terminal if terminal is not None and not as_json else logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    handler.addFilter(_may_leave if "JOURNAL_STREAM" in os.environ else _is_said)
    return handler


def _syslog_handlers(address: str, as_json: bool) -> list[Handler]:
    if not address:
        return []
    host, _, port = address.rpartition(":")
    try:
        if address.startswith("/") and not Path(address).is_socket():
            raise OSError("no such socket")
        where = address if address.startswith("/") else (host or address, int(port) if host else _SYSLOG_PORT)
        handler = _Syslog(where, facility=SysLogHandler.LOG_DAEMON)
    except (OSError, ValueError) as error:
        remedy = "name a socket, such as /dev/log, or host:port"
        raise ValueError(f"--syslog {address}: nothing takes messages there ({error}); {remedy}") from error
    handler.setFormatter(JsonFormatter() if as_json else _SyslogFormatter())
    handler.addFilter(_may_leave)
    return [handler]
