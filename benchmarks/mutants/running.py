"""Pytest on a copy of the working tree, in a process forked from one that has the large libraries loaded."""

import contextlib
import importlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.mutants.faults import PACKAGES, REPOSITORY

LIBRARIES = (
    "torch",
    "torch._dynamo",
    "flwr.app",
    "flwr.clientapp",
    "flwr.serverapp",
    "flwr.cli.app",
    "pandas",
    "pytest",
    "scipy.stats",
)
OUT_OF_TIME = -1
PASSED = 0
_NOTHING_TO_DO = 5
_MOST_BYTES = 65536  # what a pipe holds
FAST = ("-q", "-x", "-m", "not slow and not faults", "-p", "no:xdist", "--timeout", "120")


def load_libraries() -> None:
    """Once, in the process that is forked; told to end, it ends its tests first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for name in LIBRARIES:
        importlib.import_module(name)


class Tree:
    """A copy of what git tracks: here files are changed, never in the working tree."""

    def __init__(self, root: Path) -> None:
        self.path = root / "repository"
        self._written = int(time.time())
        files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
        for file in filter(None, files.stdout.split("\0")):
            if (REPOSITORY / file).exists():
                (self.path / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / file, self.path / file)
        for link in (".venv", "../shared"):
            target = (REPOSITORY / link).resolve()
            if target.exists() and not (self.path / link).exists():
                (self.path / link).symlink_to(target)

    @contextlib.contextmanager
    def with_text(self, file: str, text: str) -> Iterator[None]:
        """One file with another text, for a while."""
        path = self.path / file
        before = path.read_text(encoding="utf-8")
        self._write(path, text)
        try:
            yield
        finally:
            self._write(path, before)

    def _write(self, path: Path, text: str) -> None:
        """Every time is another one: Python tells by it, to the second, that compiled code is old."""
        path.write_text(text, encoding="utf-8")
        self._written += 1
        os.utime(path, (self._written, self._written))


def run_tests(tree: Path, arguments: list[str], limit_s: float, lines: Path | None = None) -> tuple[int, list[str]]:
    """Pytest in a forked process: its exit code or OUT_OF_TIME, and the tests (or files) that failed.

    lines: where to write which test runs which line.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _be_pytest(tree, arguments, writing, lines)
    os.close(writing)
    code = _waited(child, limit_s)
    os.set_blocking(reading, False)  # a program that a test left running may hold the other end
    failed = b""
    with contextlib.suppress(BlockingIOError):
        failed = os.read(reading, _MOST_BYTES)
    os.close(reading)
    return code, failed.decode().splitlines()


def _waited(child: int, limit_s: float) -> int:
    deadline = time.monotonic() + limit_s
    try:
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                return OUT_OF_TIME
            time.sleep(0.02)
        code = os.waitstatus_to_exitcode(ended[1])
        return PASSED if code == _NOTHING_TO_DO else code
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # the tests themselves, or whatever one left running
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def _be_pytest(tree: Path, arguments: list[str], writing: int, lines: Path | None) -> None:
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir(tree)
        sys.path[:] = [str(tree), *(path for path in sys.path if Path(path or ".").resolve() != REPOSITORY)]
        sys.dont_write_bytecode = False
        os.environ["PYTHONPATH"] = str(tree)  # for the programs that tests start
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            plugins: list[object] = [_Failed(writing)]
            arguments = [*arguments, "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
            code = _measured(arguments, plugins, lines) if lines else _pytest(arguments, plugins)
    finally:
        os._exit(code)


class _Failed:
    """Names every test that fails, and every file that cannot be imported, to the process that waits."""

    def __init__(self, writing: int) -> None:
        self._writing = writing

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            os.write(self._writing, f"{report.nodeid}\n".encode())

    pytest_collectreport = pytest_runtest_logreport


def _pytest(arguments: list[str], plugins: list[object]) -> int:
    return int(importlib.import_module("pytest").main(arguments, plugins=plugins))


def _measured(arguments: list[str], plugins: list[object], lines: Path) -> int:
    pytest, coverage = importlib.import_module("pytest"), importlib.import_module("coverage")
    measured = coverage.Coverage(data_file=str(lines), source=list(PACKAGES))

    class Contexts:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
            measured.switch_context(item.nodeid)
            return (yield)

    measured.start()
    code = _pytest(arguments, [*plugins, Contexts()])
    measured.stop()
    measured.save()
    return code
