"""What a site installs is what its code imports: nothing there comes by way of another package, or of an extra."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SHIPPED = ("client", "modalities", "server", "strategies")
OPTIONAL = {"mlflow", "timm"}
"""Imported only where one of them is asked for; the error says how to install it."""


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported():
    """Top-level name -> a file that imports it."""
    found = {}
    for path in (path for folder in SHIPPED for path in (REPOSITORY / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            found |= {name.partition(".")[0]: str(path.relative_to(REPOSITORY)) for name in names}
    return found


def test_every_import_of_the_shipped_code_is_declared():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["slides"]]
    declared = {normal(re.match(r"[\w.-]+", line)[0]) for line in lines}
    owners, others = packages_distributions(), {*sys.stdlib_module_names, *SHIPPED, *OPTIONAL}
    undeclared = {
        name: path
        for name, path in imported().items()
        if name not in others and declared.isdisjoint(map(normal, owners.get(name, ())))
    }
    assert undeclared == {}
    assert "ray" not in declared
