"""The guards of docs/decisions/0001: five root packages that nothing shadows, shipped and bundled by name."""

import ast
import importlib
import io
import tomllib
import zipfile
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


def test_flower_accepts_the_app_without_a_warning():
    from flwr.cli.config_utils import load_and_validate

    _, warnings = load_and_validate(REPOSITORY / "pyproject.toml")
    assert warnings == []


@pytest.mark.slow  # walks the whole working folder, .venv included
def test_bundle_holds_all_code_of_the_four_packages_and_nothing_else():
    from flwr.cli.build import build_fab_from_disk

    with zipfile.ZipFile(io.BytesIO(build_fab_from_disk(REPOSITORY))) as bundle:
        names = set(bundle.namelist())
    assert {PurePosixPath(name).parts[0] for name in names} == {"pyproject.toml", ".info", *BUNDLED}
    assert set().union(*map(python_files, BUNDLED)) - names == set()
