"""`tessera-server hand-out`: a folder that a site can check itself with, and nothing secret in it."""

import pytest
from typer.testing import CliRunner

from modalities.core.settings.federation import load_federation
from server.cli import app
from server.coordinator.folder import init_study
from strategies.bundle import digest_of_checkout


@pytest.fixture
def study(tmp_path):
    return init_study(tmp_path / "study", ["localhost"])


def test_it_has_the_lists_that_the_settings_name_and_no_key(study):
    (study.folder / "genes.json").write_text('["A", "B"]')
    study.for_sites.mkdir()
    (study.for_sites / "old.json").touch()
    found = CliRunner().invoke(app, ["hand-out", str(study.folder)], env={"COLUMNS": "300"})
    assert found.exit_code == 0
    names = sorted(path.name for path in study.for_sites.iterdir())
    assert names == ["ca.crt", "federation.yaml", "genes.json", "release.pub"]
    settings = load_federation(study.for_sites / "federation.yaml")
    assert settings.modalities["cnv"].features == ["A", "B"]
    assert f"give every site this folder: {study.for_sites} (" in found.output
    assert f"digest of the settings: {settings.digest}" in found.output
    assert f"code to approve: {digest_of_checkout()}" in found.output


def test_settings_that_are_wrong_hand_out_nothing(study):
    found = CliRunner().invoke(app, ["hand-out", str(study.folder)], env={"COLUMNS": "300"})
    assert found.exit_code == 1
    assert "genes.json: no such file beside federation.yaml" in found.output
    assert not study.for_sites.exists()


def test_a_list_that_a_site_would_not_find_is_refused(study, tmp_path):
    (tmp_path / "genes.json").write_text('["A"]')
    study.federation.write_text("modalities: {cnv: {features_file: ../genes.json}, clinical: }\n")
    with pytest.raises(
        ValueError, match=r"features_file: \.\./genes\.json: no such file beside federation\.yaml; put it there"
    ):
        load_federation(study.federation)
