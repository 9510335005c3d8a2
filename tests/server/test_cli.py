"""`tessera-server check` and `show`."""

from omegaconf import OmegaConf
from typer.testing import CliRunner

from server.cli import app
from server.state.release import write_release
from tests.support import run_small, small_federation, write_sites

FEDERATION = small_federation(
    fusion__rounds=1, modalities__cnv__federated__rounds=1, modalities__hif__federated__rounds=1
)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def test_settings_that_are_sound_are_shown_with_their_digest(tmp_path):
    OmegaConf.save(FEDERATION.to_dict(), tmp_path / "federation.yaml")
    found = run("check", tmp_path / "federation.yaml")
    assert found.exit_code == 0
    assert f"digest {FEDERATION.digest}" in found.output
    changed = run("check", tmp_path / "federation.yaml", "seed=9")
    assert changed.exit_code == 0
    assert FEDERATION.digest not in changed.output


def test_settings_that_are_wrong_are_refused_with_everything_wrong_in_them(tmp_path):
    (tmp_path / "federation.yaml").write_text("modalities: {cnv: {hiden: [3]}, hif: {clip: -1}}\n")
    found = run("check", tmp_path / "federation.yaml")
    assert found.exit_code == 1
    assert "hiden: no such setting; did you mean 'hidden'?" in found.output
    assert "modalities.hif.clip: must be above 0, got -1" in found.output


def test_a_release_is_checked_and_shown_and_a_changed_one_refused(tmp_path):
    root = write_sites(tmp_path / "sites", FEDERATION, [("cnv", "hif")], [17])
    release = write_release(tmp_path / "release", run_small(root, FEDERATION))
    found = run("show", release)
    assert found.exit_code == 0
    assert "fusion head: weighted_logits_bias; 11 files as released" in found.output
    (release / "branches" / "cnv.safetensors").write_bytes(b"other")
    found = run("show", release)
    assert found.exit_code == 1
    assert "missing or changed since the release: branches/cnv.safetensors" in found.output
