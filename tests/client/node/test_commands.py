"""`tessera-client init`: a site.yaml that stands already is kept, and gets what it lacks to take part."""

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.node.approval import approvals, approve, withdraw
from client.node.home import Home
from modalities.core.settings.site import read_site_config


def init(folder, name="a", address="there:7"):
    return CliRunner().invoke(app, ["init", str(folder), "--name", name, "--address", address], env={"COLUMNS": "300"})


def test_a_new_folder_gets_a_policy_and_the_coordinator(tmp_path):
    assert init(tmp_path / "new").exit_code == 0
    made = read_site_config(tmp_path / "new" / "site.yaml")
    assert (made.name, made.policy.min_holders) == ("a", 3)
    assert (made.coordinator.address, made.coordinator.local_port) == ("there:7", 9094)
    assert (made.policy.require_masking, made.coordinator.roster) == (True, "roster.yaml")


def test_a_site_file_without_a_coordinator_is_kept_and_gets_one(tmp_path):
    written = "name: a\npolicy: {min_holders: 2, min_cell: 7}"  # no line's end
    (tmp_path / "site.yaml").write_text(written)
    found = init(tmp_path)
    assert found.exit_code == 0
    assert (tmp_path / "site.yaml").read_text().startswith(written)
    made = read_site_config(tmp_path / "site.yaml")
    assert (made.policy.min_cell, made.coordinator.address) == (7, "there:7")
    assert "is kept, with a section `coordinator` at its end" in found.output
    assert "is 2: a modality is trained here even if fewer than 3 sites hold it" in found.output
    said = (
        f"note: policy.require_masking of {tmp_path / 'site.yaml'} is false: in a study without masks the coordinator"
    )
    assert said in found.output
    key = Home(tmp_path).key.read_bytes()
    assert "is kept" not in init(tmp_path, address="elsewhere:8").output  # the section is there now
    assert read_site_config(tmp_path / "site.yaml").coordinator.address == "there:7"
    assert Home(tmp_path).key.read_bytes() == key


def test_a_coordinator_is_found_however_the_file_is_written_and_a_comment_is_none(tmp_path):
    (tmp_path / "site.yaml").write_text('{name: st_anna, "coordinator": {address: "a.example:9443"}}\n')
    init(tmp_path, "st_anna")
    assert read_site_config(tmp_path / "site.yaml").coordinator.address == "a.example:9443"
    (tmp_path / "site.yaml").write_text("name: st_anna\nsources: {}\n# |\n#coordinator: none\n")
    init(tmp_path, "st_anna", "b.example:9443")
    assert read_site_config(tmp_path / "site.yaml").coordinator.address == "b.example:9443"


def test_a_site_file_that_requires_masks_and_three_holders_gets_no_note(tmp_path):
    (tmp_path / "site.yaml").write_text("name: a\npolicy: {min_holders: 3, require_masking: true}\n")
    assert "note:" not in init(tmp_path).output


def test_a_site_file_of_another_name_is_refused_before_a_key_is_made(tmp_path):
    (tmp_path / "site.yaml").write_text("name: b\n")
    found = init(tmp_path)
    assert found.exit_code == 1
    assert "its name is b, not a; correct one of them" in found.output
    assert not Home(tmp_path).key.exists()


def test_what_is_commented_out_stands_right_once_its_mark_is_gone(tmp_path):
    init(tmp_path)
    path = tmp_path / "site.yaml"
    path.write_text(path.read_text().replace("\n  #", "\n  "))
    made = read_site_config(path)
    assert (list(made.sources), made.coordinator.federation) == (["cnv", "clinical"], "federation.yaml")


def test_a_site_that_leaves_keeps_nothing_that_was_prepared_of_its_data(tmp_path):
    home = Home(tmp_path)
    init(tmp_path)
    for folder in (home.prepared, home.answered):
        folder.mkdir()
        (folder / "file").write_text("of the study")
    found = CliRunner().invoke(app, ["leave", str(tmp_path)])
    assert found.output == "this site does not take part\n"
    assert sorted(path.name for path in home.folder.iterdir()) == ["node.key", "node.pub"]


def test_withdrawing_no_digest_in_particular_is_an_error_that_lists_what_is_approved(tmp_path):
    approve(Home(tmp_path), "a" * 64, "typed")
    found = CliRunner().invoke(app, ["trust", str(tmp_path), "--withdraw"])
    assert found.exit_code == 2
    assert f"approved are: {'a' * 64}" in found.output.replace("\n", "")
    assert list(approvals(Home(tmp_path))) == ["a" * 64]


def test_a_digest_that_is_not_approved_cannot_be_withdrawn_while_another_is(tmp_path):
    approve(Home(tmp_path), "a" * 64, "typed")
    with pytest.raises(ValueError, match=f"{'b' * 64}: not approved; approved are: {'a' * 64}"):
        withdraw(Home(tmp_path), "b" * 64)


@pytest.mark.parametrize("digest", ["a" * 65, "a" * 64 + "\n", "a" * 63, "A" * 64])
def test_what_is_not_exactly_a_digest_is_not_approved(tmp_path, digest):
    with pytest.raises(ValueError, match="a digest is 64 hexadecimal digits"):
        approve(Home(tmp_path), digest, "typed")
    assert approvals(Home(tmp_path)) == {}
