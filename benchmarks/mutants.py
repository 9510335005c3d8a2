"""Do the fast tests see a fault? Small faults are put into the code one at a time, and the tests that run it must fail.

    python -m benchmarks.mutants --count 200 --seed 0 --processes 2

A fault (mutant) changes one place: a comparison, a sign, a number, `and` for `or`, a condition for its opposite, a call
that is not made. Places are drawn with equal chance from all code of client, server and strategies. Which tests run a
line is measured once, by coverage.py, over all fast tests; a mutant in a line that none of them runs survives. Tests
run in a process forked from one that has the large libraries loaded, on a copy of the working tree.

Source: DeMillo, Lipton and Sayward 1978, "Hints on test data selection", doi:10.1109/C-M.1978.218136.
"""

import argparse
import ast
import contextlib
import importlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("client", "server", "strategies")
LIBRARIES = (
    "torch",
    "torch._dynamo",
    "flwr.app",
    "flwr.clientapp",
    "flwr.serverapp",
    "flwr.cli.app",
    "pandas",
    "scipy.stats",
)
TIMEOUT_S = 120
COMPARISONS = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
SIGNS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*"}
LOGS = ("_LOG", "log", "print", "echo")


@dataclass(frozen=True)
class Mutant:
    """One changed place; offsets are in characters of the file."""

    file: str
    line: int
    start: int
    end: int
    text: str
    kind: str


class Source:
    """A file's text, and places in it."""

    def __init__(self, file: Path) -> None:
        self.name, self.raw = file.relative_to(REPOSITORY).as_posix(), file.read_bytes()
        self._starts = [0]
        for line in self.raw.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def place(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends, in bytes."""
        start = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def text(self, node: ast.AST) -> str:
        start, end = self.place(node)
        return self.raw[start:end].decode()

    def instead(self, node: ast.AST, text: str, kind: str) -> Mutant:
        """The node replaced by a text."""
        return Mutant(self.name, node.lineno, *self.place(node), text, kind)  # type: ignore[attr-defined]

    def between(self, node: ast.AST, left: ast.AST, right: ast.AST, text: str, kind: str) -> Mutant:
        """The operator between two operands replaced; brackets around them are left alone."""
        start, end = self.place(left)[1], self.place(right)[0]
        gap = self.raw[start:end].decode()
        before, after = gap[: len(gap) - len(gap.lstrip(") \n"))], gap[len(gap.rstrip("( \n")) :]
        return Mutant(self.name, node.lineno, start, end, f"{before or ' '}{text}{after or ' '}", kind)  # type: ignore[attr-defined]


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    source = Source(file)
    for node in ast.walk(ast.parse(source.raw)):
        match node:
            case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in COMPARISONS:
                yield source.between(node, left, right, COMPARISONS[type(operator)], "comparison")
            case ast.BoolOp(op=operator, values=[first, second, *_]):
                yield source.between(node, first, second, "or" if isinstance(operator, ast.And) else "and", "and/or")
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in SIGNS:
                if not (_is_text(left) or _is_text(right)):
                    yield source.between(node, left, right, SIGNS[type(operator)], "sign")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield source.instead(node, f"({source.text(operand)})", "not")
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                yield source.instead(test, f"(not ({source.text(test)}))", "condition")
            case ast.Constant(value=bool(value)):
                yield source.instead(node, str(not value), "constant")
            case ast.Constant(value=int() | float() as value):
                yield source.instead(node, repr(value + 1), "number")
            case ast.Expr(value=ast.Call(func=function)) if ast.unparse(function).split(".")[0] not in LOGS:
                yield source.instead(node, "None", "call left out")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def changed(source: str, mutant: Mutant) -> str:
    """The file's text with the mutant in it; lines keep their numbers."""
    raw = source.encode()
    before = raw[mutant.start : mutant.end].decode()
    text = mutant.text + "\n" * (before.count("\n") - mutant.text.count("\n"))
    return (raw[: mutant.start] + text.encode() + raw[mutant.end :]).decode()


def run_tests(tree: Path, arguments: list[str], contexts: Path | None = None) -> int:
    """Pytest in a forked process, in this tree; its exit code, or -1 where it ran out of time."""
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(tree)
        sys.path[:] = [str(tree), *(path for path in sys.path if Path(path or ".").resolve() != REPOSITORY)]
        sys.dont_write_bytecode = True
        os.environ["PYTHONPATH"] = str(tree)  # for the programs that tests start
        code = 70
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                code = _pytest([*arguments, "-W", "ignore::pytest.PytestAssertRewriteWarning"], contexts)
        finally:
            os._exit(code)
    deadline = time.monotonic() + (TIMEOUT_S if contexts is None else 3600)
    while not (found := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -1
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # whatever a test left running
    return os.waitstatus_to_exitcode(found[1])


def _pytest(arguments: list[str], contexts: Path | None) -> int:
    pytest = importlib.import_module("pytest")
    if contexts is None:
        return int(pytest.main(arguments))
    measured = importlib.import_module("coverage").Coverage(data_file=str(contexts), source=list(PACKAGES))

    class Contexts:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: object) -> Iterator[None]:
            measured.switch_context(item.nodeid)  # type: ignore[attr-defined]
            return (yield)

    measured.start()
    code = pytest.main(arguments, plugins=[Contexts()])
    measured.stop()
    measured.save()
    return int(code)


def tests_by_line(cache: Path) -> dict[str, dict[int, list[str]]]:
    """File -> line -> the fast tests that run it."""
    coverage = importlib.import_module("coverage")
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        print("which tests run which line: all fast tests, once", flush=True)
        part = cache.with_suffix(".part")
        if run_tests(REPOSITORY, ["-q", "-p", "no:xdist", "-m", "not slow and not faults"], part):
            raise SystemExit("the fast tests fail without a mutant: run `make test-fast`")
        part.replace(cache)
    data = coverage.CoverageData(str(cache))
    data.read()
    return {
        Path(file).relative_to(REPOSITORY).as_posix(): {
            line: sorted(test for test in tests if "::" in test)
            for line, tests in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }


def fate(task: tuple[Mutant, list[str], Path]) -> tuple[Mutant, str]:
    """What became of a mutant: `killed`, `survived`, or `not run` by any fast test."""
    mutant, tests, root = task
    if not tests:
        return mutant, "not run"
    tree = root / str(os.getpid())
    if not tree.exists():
        files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
        for file in filter(None, files.stdout.split("\0")):
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / file, tree / file)
        for link in (".venv", "../shared"):
            target = (REPOSITORY / link).resolve()
            if target.exists() and not (tree / link).exists():
                (tree / link).symlink_to(target)
    file = tree / mutant.file
    source = file.read_text(encoding="utf-8")
    file.write_text(changed(source, mutant), encoding="utf-8")
    try:
        code = run_tests(tree, ["-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", *tests])
    finally:
        file.write_text(source, encoding="utf-8")
    return mutant, "survived" if code == 0 else "killed"


def main() -> None:
    """Draw the mutants, run them, and say which survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--within", default="", help="only files whose path begins so, such as client/check")
    parser.add_argument(
        "--most-tests", type=int, default=200, help="tests tried for a mutant, drawn where more run its line"
    )
    parser.add_argument("--out", type=Path, default=REPOSITORY / "runs" / "mutants")
    arguments = parser.parse_args()
    for name in LIBRARIES:
        importlib.import_module(name)
    by_line = tests_by_line(arguments.out / "coverage")
    files = [path for name in PACKAGES for path in sorted((REPOSITORY / name).rglob("*.py"))]
    chance = random.Random(arguments.seed)
    every = [own for file in files for own in mutants_of(file) if own.file.startswith(arguments.within)]
    drawn = chance.sample(every, min(arguments.count, len(every)))
    results: list[tuple[Mutant, str]] = []
    with tempfile.TemporaryDirectory() as root, get_context("fork").Pool(arguments.processes) as pool:
        tasks = []
        for mutant in drawn:
            tests = by_line.get(mutant.file, {}).get(mutant.line, [])
            tests = chance.sample(tests, min(len(tests), arguments.most_tests))
            tasks.append((mutant, tests, Path(root)))
        for mutant, what in pool.imap_unordered(fate, tasks):
            results.append((mutant, what))
            if what != "killed":
                line = (REPOSITORY / mutant.file).read_text(encoding="utf-8").splitlines()[mutant.line - 1].strip()
                print(f"{what}: {mutant.file}:{mutant.line} {mutant.kind} -> {mutant.text!r}: {line}", flush=True)
    counts = Counter(what for _, what in results)
    print(f"{counts['killed']} of {len(results)} killed; {dict(counts)}")
    report = [{**asdict(mutant), "fate": what} for mutant, what in results]
    (arguments.out / "mutants.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
