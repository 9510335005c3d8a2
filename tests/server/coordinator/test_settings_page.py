"""`tessera-server settings`, and docs/federation.md held against it."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.coordinator.settings_page import BEGIN, meanings_of, settings_text, written_into

PAGE = Path(__file__).resolve().parents[3] / "docs" / "federation.md"


@dataclass(frozen=True)
class Below:
    rate: float = 0.5
    """A share,
    in [0, 1]."""


@dataclass(frozen=True)
class Above(Below):
    names: list[str] = field(default_factory=list)
    silent: int = 3
    rate: float = 0.7
    """Another | share."""


def test_meaning_is_the_docstring_below_the_field_or_that_of_the_class_above():
    assert meanings_of(Below) == {"rate": "A share, in [0, 1]."}
    assert meanings_of(Above) == {"rate": "Another \\| share."}


def test_page_of_settings_is_what_the_code_says():
    page = PAGE.read_text(encoding="utf-8")
    assert page == written_into(page), "run: tessera-server settings --into docs/federation.md"


def test_every_setting_says_what_it_means():
    silent = re.findall(r"^\| (`\w+`) \| .* \|  \|$", settings_text(), re.MULTILINE)
    assert silent == []


def test_every_section_of_site_yaml_has_a_table():
    site = settings_text().split("## Settings of site.yaml")[1]
    sections = re.findall(r"^\| `(\w+)` \| a section \|", site, re.MULTILINE)
    headed = re.findall(r"^### `(?:sources\.<modality>\.)?(\w+)`", site, re.MULTILINE)
    assert {"policy", "coordinator", "slides", "index"} <= set(headed)
    assert set(sections) <= set(headed)


def test_command_prints_the_tables_or_brings_a_page_up_to_date(tmp_path):
    assert CliRunner().invoke(app, ["settings"]).output == settings_text()
    page = tmp_path / "page.md"
    page.write_text(f"# Mine\n\n{BEGIN}\n\nold\n")
    assert CliRunner().invoke(app, ["settings", "--into", str(page)]).exit_code == 0
    assert page.read_text() == f"# Mine\n\n{BEGIN}\n\n{settings_text()}"


def test_page_without_the_mark_is_refused_and_stays_as_it_was(tmp_path):
    with pytest.raises(ValueError, match="no line <!-- from here on written by"):
        written_into("# A page\n")
    page = tmp_path / "page.md"
    page.write_text("# A page\n")
    found = CliRunner().invoke(app, ["settings", "--into", str(page)])
    assert found.exit_code == 1
    assert "page.md: the page has no line <!-- from here" in found.output
    assert page.read_text() == "# A page\n"
