"""`tessera-client encoders`: what a data manager sees before agreeing to an encoder."""

import json
import re

import pytest
from typer.testing import CliRunner

from client.cli import app
from modalities.slides.backbones.table import encoders


def listed(*arguments, columns=200):
    return CliRunner().invoke(app, ["encoders", *map(str, arguments)], env={"COLUMNS": str(columns)})


@pytest.fixture
def site(tmp_path):
    (tmp_path / "site.yaml").write_text(
        "name: here\nsources:\n  wsi_image: {paths: [slides]}\nslides: {weights: networks}\n"
    )
    (tmp_path / "slides").mkdir()
    (tmp_path / "networks" / "phikon").mkdir(parents=True)
    (tmp_path / "networks" / "virchow2.bin").write_bytes(b"abc")
    (tmp_path / "networks" / "phikon" / "model.safetensors").write_bytes(bytes(7_000_000))
    return tmp_path


def row_of(output, name):
    (line,) = [line for line in output.splitlines() if line.startswith(f"{name} ")]
    return re.split(r"\s{2,}", line.strip())


def test_list_says_of_each_encoder_what_it_gives_needs_and_saw_without_a_site():
    shown = listed()
    assert shown.exit_code == 0, shown.output
    assert row_of(shown.output, "uni") == [
        *("uni", "1024", "224", "0.5", "CC-BY-NC-ND-4.0: not for commercial use", "on request", "no", "-")
    ]
    assert row_of(shown.output, "midnight") == ["midnight", "3072", "224", "0.5?", "MIT", "free", "yes", "-"]
    assert row_of(shown.output, "resnet18")[3] == "-"
    assert "No folder of weights: `slides.weights` of site.yaml." in shown.output


def test_names_and_licences_are_whole_in_a_narrow_terminal():
    lines = listed(columns=80).output.splitlines()
    assert set(encoders()) <= {line.split(" ")[0] for line in lines}
    assert any("CC-BY-NC-ND-4.0:" in line for line in lines)


def test_with_a_site_it_says_which_weights_are_there(site):
    shown = listed(site)
    assert row_of(shown.output, "virchow2")[-2:] == ["not known", "virchow2.bin (0 MB)"]
    assert row_of(shown.output, "phikon")[-1] == "phikon/model.safetensors (7 MB)"
    assert row_of(shown.output, "uni")[-1] == "-"
    assert f"Weights are looked for in {site / 'networks'}." in shown.output


def test_digests_are_those_that_weights_digest_asks_for(site):
    shown = listed(site, "--digests")
    # the test vector of FIPS 180-4 for "abc"
    assert "virchow2: SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" in shown.output


def test_json_has_every_row_with_its_sources(site):
    rows = {row["name"]: row for row in json.loads(listed(site, "--json").output)}
    assert len(rows) == 24
    assert rows["h0_mini"]["tcga"] == "yes"
    assert "arXiv:2501.16239" in rows["h0_mini"]["sources"]
    assert rows["phikon"]["bytes"] == 7_000_000
    assert rows["uni"]["file"] == ""


def test_folder_that_is_no_site_is_one_line(tmp_path):
    shown = listed(tmp_path)
    assert shown.exit_code == 1
    assert shown.output.startswith("error: ")
