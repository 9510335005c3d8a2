"""The guards of docs/decisions/0001: five root packages that nothing shadows, shipped and bundled by name."""

import ast
import importlib
import io
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
import typer

REPOSITORY = Path(__file__).resolve().parents[1]
BUNDLED = ("client", "modalities", "server", "strategies")
PACKAGES = (*BUNDLED, "simulations")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def python_files(package: str) -> set[str]:
    return {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / package).rglob("*.py")}


@pytest.mark.parametrize("name", PACKAGES)
def test_package_is_imported_from_this_repository(name):
    package = importlib.import_module(name)
    assert package.__file__ is not None
    assert Path(package.__file__).resolve() == REPOSITORY / name / "__init__.py"


def test_wheel_names_exactly_the_five_packages():
    include = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(include) == sorted(pattern for name in PACKAGES for pattern in (name, f"{name}.*"))


@pytest.mark.parametrize("name", PACKAGES)
def test_every_folder_of_code_is_a_package_so_the_wheel_holds_it(name):
    folders = {PurePosixPath(file).parent for file in python_files(name)}
    assert [str(folder) for folder in folders if not (REPOSITORY / folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_no_folder_of_code_has_more_than_sixteen_files(name):
    sizes = Counter(str(PurePosixPath(file).parent) for file in python_files(name) if not file.endswith("__init__.py"))
    assert {folder: size for folder, size in sizes.items() if size > 16} == {}


def test_no_file_is_longer_than_300_lines():
    folders = [*PACKAGES, "tests", "benchmarks"]
    sizes = {
        file: len((REPOSITORY / file).read_text("utf-8").splitlines())
        for name in folders
        for file in python_files(name)
    }
    assert {file: size for file, size in sizes.items() if size > 300} == {}


def test_bundle_is_an_allow_list_of_four_packages():
    app = PROJECT["tool"]["flwr"]["app"]
    assert app["fab-include"] == [f"/{name}/**" for name in BUNDLED]
    assert "fab-exclude" not in app


def test_run_config_is_flat_scalars():
    config = PROJECT["tool"]["flwr"]["app"]["config"]
    assert {key: type(value) for key, value in config.items() if not isinstance(value, str | int | float)} == {}


@pytest.mark.parametrize(("file", "kind"), [("server/app.py", "ServerApp"), ("client/app.py", "ClientApp")])
def test_app_is_a_plain_assignment(file, kind):
    body = ast.parse((REPOSITORY / file).read_text(encoding="utf-8")).body
    values = [
        ast.unparse(statement.value.func)
        for statement in body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Call)
        and [ast.unparse(target) for target in statement.targets] == ["app"]
    ]
    assert values == [kind]


@pytest.mark.parametrize("command", sorted(PROJECT["project"]["scripts"]))
def test_console_script_is_a_typer_app(command):
    module, _, attribute = PROJECT["project"]["scripts"][command].partition(":")
    assert isinstance(getattr(importlib.import_module(module), attribute), typer.Typer)


PRIVATE = "from flwr.supercore import log\n\nSAY = log\n"
PUBLIC = "from flwr.app import Message\n\nKIND = Message\n"


@pytest.mark.parametrize(
    ("place", "text", "code"),
    [
        ("server/phases/planted.py", PRIVATE, 1),
        ("simulations/planted.py", "import flwr.supercore.log\n\nSAY = flwr.supercore.log\n", 1),
        ("strategies/planted.py", PRIVATE.replace("flwr.supercore import log", "flwr import supercore as log"), 1),
        ("tests/planted.py", PRIVATE, 1),
        ("server/phases/planted.py", PUBLIC, 0),
        ("strategies/flower/planted.py", PRIVATE, 0),
    ],
)
def test_make_check_fails_where_a_private_name_of_flower_is_imported_outside_its_folder(tmp_path, place, text, code):
    recipe = (REPOSITORY / "Makefile").read_text(encoding="utf-8").partition("\ncheck: ")[2].partition("\n\n")[0]
    (command,) = [line.split() for line in recipe.splitlines() if "ruff check" in line]
    assert command[0] == "$(BIN)/ruff"
    for path in (tmp_path / "pyproject.toml", tmp_path / place):
        path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    (tmp_path / place).write_text('"""Planted."""\n\n' + text, encoding="utf-8")
    ruff = [str(Path(sys.executable).parent / "ruff"), *command[1:], "--no-cache"]
    done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "TID251" in done.stdout) == (code, bool(code)), done.stdout


def test_nothing_of_flower_is_looked_up_by_a_name_in_quotes_outside_its_folder():
    names = [
        f"{file}: {node.value}"
        for package in PACKAGES
        for file in python_files(package)
        if not file.startswith("strategies/flower/")
        for node in ast.walk(ast.parse((REPOSITORY / file).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and str(node.value).startswith("flwr.")
    ]
    assert names == []


@pytest.mark.slow  # walks the whole working folder, .venv included
def test_bundle_holds_all_code_of_the_four_packages_and_nothing_else():
    from strategies.flower.bundles import build

    with zipfile.ZipFile(io.BytesIO(build(REPOSITORY))) as bundle:
        names = set(bundle.namelist())
    assert {PurePosixPath(name).parts[0] for name in names} == {"pyproject.toml", ".info", *BUNDLED}
    assert set().union(*map(python_files, BUNDLED)) - names == set()
