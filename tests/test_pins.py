"""Every package that `make setup` installs is pinned by version and by content, torch by version alone."""

import re
import sys
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[1]
BY_VERSION_ALONE = {"torch"}
"""Which build it is, for which processor, is the installer's choice."""


def pinned(file):
    lines = (REPOSITORY / file).read_text(encoding="utf-8").splitlines()
    found = [re.match(r"([\w.-]+)==([\w.+!]+)", line) for line in lines]
    return {canonicalize_name(match[1]): match[2] for match in found if match}


def test_what_is_pinned_by_content_has_the_version_of_the_constraints_and_a_digest():
    versions, hashed = pinned("constraints.txt"), pinned("hashes.txt")
    assert {name: versions.get(name) for name in hashed} == hashed
    entries = re.split(r"\n(?=\S)", (REPOSITORY / "hashes.txt").read_text(encoding="utf-8").strip())
    assert len(entries) == len(hashed)
    assert [entry for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry)] == []


def test_what_the_project_asks_for_is_pinned_by_content():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name != "mlflow"}
    asked = {canonicalize_name(re.match(r"[\w.-]+", line)[0]) for line in sum(extras.values(), project["dependencies"])}
    assert asked - set(pinned("hashes.txt")) == BY_VERSION_ALONE


@pytest.mark.skipif(not (REPOSITORY / ".venv/.installed").is_file(), reason="not installed by `make setup`")
def test_what_is_installed_is_what_is_pinned():
    assert Path(sys.prefix) == REPOSITORY / ".venv"
    versions = pinned("constraints.txt")
    ours = distributions(path=[sysconfig.get_path("purelib")])  # Ray brings others, once it is imported
    here = {canonicalize_name(own.metadata["Name"]): own.version.partition("+")[0] for own in ours}
    assert {name: version for name, version in here.items() if versions.get(name) != version} == {"tessera": "0.1.0"}
