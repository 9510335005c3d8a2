"""A Flower run installs nothing: the bundle leaves `uv sync` no dependency to resolve."""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_dependency_is_kept_from_flowers_installation_at_run_time():
    project = PROJECT["project"]
    required = sum(project["optional-dependencies"].values(), project["dependencies"])
    names = {re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower() for requirement in required}
    assert PROJECT["tool"]["uv"]["exclude-dependencies"] == sorted(names)
