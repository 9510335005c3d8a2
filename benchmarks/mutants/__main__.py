"""Do the fast tests see a fault? Small faults are put into the code one at a time, and a fast test must fail.

    python -m benchmarks.mutants --count 200 --seed 0

A fault (mutant) changes one place: a comparison, a sign, a number, `and` for `or`, a condition for its opposite, a call
that is not made. Places are drawn with equal chance from all code of client, server and strategies. A mutant is shown
to the test files nearest to its file first; one that lives is shown to every other fast test that enters its function.
One that ran out of time is not counted as killed, and no test that fails without a mutant kills one.

What became of each is kept in runs/mutants/seed-N.json as it comes: the same command goes on where it was interrupted,
and with --again it looks once more at those that lived, after tests or code have changed.
"""

import argparse
import json
import random
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from benchmarks.mutants.faults import PACKAGES, REPOSITORY, Mutant, Name, changed, named_mutants
from benchmarks.mutants.running import FAST, OUT_OF_TIME, PASSED, Tree, load_libraries, run_tests
from benchmarks.mutants.tests import Entered, nearest

NEAR_S, ALL_S = 150, 1800
KILLED, LIVES_NEARBY, LIVES, UNDECIDED, GONE = "killed", "lives beside its tests", "lives", "out of time", "gone"


class Drawn:
    """The mutants of one draw, what became of them, and the file that holds both."""

    def __init__(self, file: Path, count: int, seed: int) -> None:
        self._file = file
        paths = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
        self.places = dict(pair for path in paths for pair in named_mutants(path))
        if not file.exists():
            names = random.Random(seed).sample(list(self.places), min(count, len(self.places)))
            self.fates = {name: {"fate": "", "by": ""} for name in names}
        else:
            rows = json.loads(file.read_text(encoding="utf-8"))
            self.fates = {Name(**row["mutant"]): {"fate": row["fate"], "by": row["by"]} for row in rows}

    def waiting(self, *fates: str) -> list[tuple[Name, Mutant]]:
        """Those with one of these fates that the code still has."""
        names = [name for name, was in self.fates.items() if was["fate"] in fates]
        for name in names:
            if name not in self.places:
                self.settle(name, GONE)
        return [(name, self.places[name]) for name in names if name in self.places]

    def settle(self, name: Name, fate: str, by: str = "") -> None:
        self.fates[name] = {"fate": fate, "by": by}
        rows = [{"mutant": asdict(each), **was} for each, was in self.fates.items()]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.with_suffix(".part").write_text(json.dumps(rows, indent=1), encoding="utf-8")
        self._file.with_suffix(".part").replace(self._file)


def shown(tree: Tree, mutant: Mutant, tests: list[str], limit_s: float) -> tuple[str, str]:
    """What became of a mutant, and the test that killed it."""
    if not tests:
        return LIVES, ""
    source = (tree.path / mutant.file).read_text(encoding="utf-8")
    with tree.with_text(mutant.file, changed(source, mutant)):
        code, failed = run_tests(tree.path, [*FAST, *tests], limit_s)
    if code == OUT_OF_TIME:
        return UNDECIDED, ""
    return (LIVES, "") if code == PASSED else (KILLED, failed[0] if failed else "")


def show_nearby(tree: Tree, drawn: Drawn) -> None:
    """Every mutant without a fate to the tests beside it."""
    for name, mutant in drawn.waiting(""):
        fate, by = LIVES, ""
        for files in nearest(mutant.file) if not name.is_out_of_sight() else ():
            fate, by = shown(tree, mutant, files, NEAR_S)
            if fate == KILLED:
                break
        drawn.settle(name, fate if fate == KILLED or name.is_out_of_sight() else LIVES_NEARBY, by)
        if fate != KILLED:
            print(f"{fate} beside its tests: {name}", flush=True)


def show_all(tree: Tree, drawn: Drawn, kept: Path) -> None:
    """Those that lived to every other test that enters their function."""
    if not (left := drawn.waiting(LIVES_NEARBY, UNDECIDED)):
        return
    entered = Entered(tree, kept)
    entered.measure()
    for name, mutant in left:
        fate, by = shown(tree, mutant, entered.tests(name.file, name.function), ALL_S)
        drawn.settle(name, fate, by)
        print(f"{fate}: {name}", flush=True)


def doubt_killers(tree: Tree, drawn: Drawn) -> None:
    """What a test killed that fails without a mutant, too, is not killed."""
    killers = sorted({was["by"] for was in drawn.fates.values() if was["fate"] == KILLED and was["by"]})
    if killers:
        _, failed = run_tests(tree.path, [*(word for word in FAST if word != "-x"), *killers], ALL_S)
        for name, was in list(drawn.fates.items()):
            if was["fate"] == KILLED and was["by"] in failed:
                print(f"fails without a mutant, too: {was['by']}", flush=True)
                drawn.settle(name, LIVES_NEARBY)


def main() -> None:
    """Draw the mutants, show them to the tests, and say which lived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="once more those that lived")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "runs" / "mutants")
    arguments = parser.parse_args()
    load_libraries()
    drawn = Drawn(arguments.out / f"seed-{arguments.seed}.json", arguments.count, arguments.seed)
    if arguments.again:
        for name, _ in drawn.waiting(LIVES_NEARBY, LIVES, UNDECIDED):
            drawn.settle(name, "")
    with tempfile.TemporaryDirectory() as root:
        tree = Tree(Path(root))
        show_nearby(tree, drawn)
        show_all(tree, drawn, arguments.out / "entered")
        doubt_killers(tree, drawn)
    counts = Counter(was["fate"] for was in drawn.fates.values())
    print(f"{counts[KILLED]} of {len(drawn.fates)} killed; {dict(counts)}")


if __name__ == "__main__":
    main()
