"""Flower takes this repository for an app of its own."""

from flwr.cli.config_utils import load_and_validate

from strategies.bundle import REPOSITORY


def test_flower_accepts_the_app_without_a_warning():
    _, warnings = load_and_validate(REPOSITORY / "pyproject.toml")
    assert warnings == []
