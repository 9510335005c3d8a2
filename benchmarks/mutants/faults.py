"""Small faults in a file: each changes one place.

Source: DeMillo, Lipton and Sayward 1978, "Hints on test data selection", doi:10.1109/C-M.1978.218136.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("client", "server", "strategies")
COMPARISONS = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
SIGNS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*"}
LOGS = ("_LOG", "log", "print", "echo")


@dataclass(frozen=True)
class Mutant:
    """One changed place; offsets are in bytes of the file."""

    file: str
    line: int
    start: int
    end: int
    text: str
    kind: str


@dataclass(frozen=True)
class Name:
    """What still tells a mutant from all others after its file was edited elsewhere."""

    file: str
    function: str
    kind: str
    text: str
    code: str
    nth: int

    def __str__(self) -> str:
        return f"{self.file} {self.function}: {self.kind} -> {self.text!r}: {self.code}"

    def is_out_of_sight(self) -> bool:
        """Whether no program that is right can tell: a record that may be written to, an import for types alone."""
        return self.code.startswith(("@dataclass(", "if TYPE_CHECKING"))


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


def named_mutants(file: Path) -> Iterator[tuple[Name, Mutant]]:
    """Every mutant of a file, with its name."""
    lines, functions, seen = file.read_text(encoding="utf-8").splitlines(), functions_by_line(file), Counter()
    for mutant in mutants_of(file):
        code = lines[mutant.line - 1].strip()
        same = (mutant.file, functions.get(mutant.line, ""), mutant.kind, mutant.text.strip(), code)
        yield Name(*same, nth=seen[same]), mutant
        seen[same] += 1


def functions_by_line(file: Path) -> dict[int, str]:
    """Line -> the function around it, such as `Session.open`; lines outside every function are left out."""
    names: dict[int, str] = {}

    def walk(node: ast.AST, path: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            inside = path
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = (*path, child.name)
                if not isinstance(child, ast.ClassDef):
                    # the signature's defaults are run at import, by no test
                    names.update(dict.fromkeys(range(child.body[0].lineno, child.end_lineno + 1), ".".join(inside)))  # type: ignore[operator]
            walk(child, inside)

    walk(ast.parse(file.read_bytes()), ())
    return names


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def changed(source: str, mutant: Mutant) -> str:
    """The file's text with the mutant in it; lines keep their numbers."""
    raw = source.encode()
    before = raw[mutant.start : mutant.end].decode()
    text = mutant.text + "\n" * (before.count("\n") - mutant.text.count("\n"))
    return (raw[: mutant.start] + text.encode() + raw[mutant.end :]).decode()
