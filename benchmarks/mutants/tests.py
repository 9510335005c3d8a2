"""Which tests a mutant is shown to: first the files beside its own, then every other test that enters its function."""

import importlib
import json
from functools import cache
from pathlib import Path

from benchmarks.mutants.faults import REPOSITORY, functions_by_line
from benchmarks.mutants.running import FAST, Tree, run_tests

_HOUR_S = 3600
_SLOW_ALONE = ("tests/deployment",)  # nothing in it is fast
_OUTSIDE = ""  # of every function: what an import runs


def nearest(file: str) -> list[list[str]]:
    """The test files that most likely look at a file of code, in groups: its mirror and users beside it, neighbours.

    Where neither is there, its users anywhere.
    """
    code = Path(file)
    module = ".".join(code.with_suffix("").parts)
    folder = Path("tests", *code.parts[:-1])
    mirrors, neighbours, users = [], [], []
    for path, text in _test_files().items():
        uses = f"from {module} import" in text or f"import {module}\n" in text
        if path == folder / f"test_{code.name}":
            mirrors.insert(0, path.as_posix())
        elif path.parent == folder:
            (mirrors if uses else neighbours).append(path.as_posix())
        elif uses:
            users.append(path.as_posix())
    return [group for group in (mirrors, neighbours) if group] or [users]


@cache
def _test_files() -> dict[Path, str]:
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    texts = {path.relative_to(REPOSITORY): path.read_text(encoding="utf-8") for path in files}
    return {path: text for path, text in texts.items() if not path.as_posix().startswith(_SLOW_ALONE)}


class Entered:
    """The tests that enter a function; measured once, folder by folder of tests, and kept in a folder."""

    def __init__(self, tree: Tree, kept: Path) -> None:
        self._tree, self._kept = tree, kept
        self._tests: dict[str, dict[str, list[str]]] = {}

    def measure(self) -> None:
        """Run every fast test once, but for the folders that are kept from an earlier time."""
        self._kept.mkdir(parents=True, exist_ok=True)
        for folder in sorted({path.parent for path in _test_files()}):
            file = self._kept / f"{'.'.join(folder.parts)}.json"
            if not file.exists():
                print(f"which tests of {folder} enter which function", flush=True)
                file.write_text(json.dumps(self._of(folder)), encoding="utf-8")
            for code, functions in json.loads(file.read_text(encoding="utf-8")).items():
                for function, tests in functions.items():
                    self._tests.setdefault(code, {}).setdefault(function, []).extend(tests)

    def tests(self, file: str, function: str) -> list[str]:
        """The tests that enter a function; of code outside every function, those that enter any of its file."""
        by_function = self._tests.get(file, {})
        if function == _OUTSIDE:
            return sorted({test for tests in by_function.values() for test in tests})
        return by_function.get(function, [])

    def _of(self, folder: Path) -> dict[str, dict[str, list[str]]]:
        files = [path.as_posix() for path in _test_files() if path.parent == folder]
        lines = self._kept / "lines"
        lines.unlink(missing_ok=True)
        arguments = [argument for argument in FAST if argument != "-x"]
        code, failed = run_tests(self._tree.path, [*arguments, *files], _HOUR_S, lines)
        if code:
            print(f"without a mutant, too, these fail: {failed or code}", flush=True)
        data = importlib.import_module("coverage").CoverageData(str(lines))
        data.read()
        entered: dict[str, dict[str, list[str]]] = {}
        for measured in data.measured_files():
            name = Path(measured).relative_to(self._tree.path).as_posix()
            functions = functions_by_line(self._tree.path / name)
            by_function: dict[str, set[str]] = {}
            for line, tests in data.contexts_by_lineno(measured).items():
                if line in functions:
                    by_function.setdefault(functions[line], set()).update(test for test in tests if "::" in test)
            entered[name] = {function: sorted(tests) for function, tests in by_function.items()}
        return entered
