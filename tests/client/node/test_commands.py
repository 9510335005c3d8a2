"""`tessera-client init`: a site.yaml that stands already is kept, and gets what it lacks to take part."""

import fcntl
import time

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.node.approval import approvals, approve, withdraw
from client.node.home import Home
from modalities.core.files.atomic import write_json
from modalities.core.keyfiles import line_fingerprint
from modalities.core.settings.site import read_site_config
from strategies.bundle import digest_of_checkout


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
    approve(Home(tmp_path), "a" * 64, "typed", {})
    found = CliRunner().invoke(app, ["trust", str(tmp_path), "--withdraw"])
    assert found.exit_code == 2
    assert f"approved are: {'a' * 64}" in found.output.replace("\n", "")
    assert list(approvals(Home(tmp_path))) == ["a" * 64]


def test_a_digest_that_is_not_approved_cannot_be_withdrawn_while_another_is(tmp_path):
    approve(Home(tmp_path), "a" * 64, "typed", {})
    with pytest.raises(ValueError, match=f"{'b' * 64}: not approved; approved are: {'a' * 64}"):
        withdraw(Home(tmp_path), "b" * 64)


@pytest.mark.parametrize("digest", ["a" * 65, "a" * 64 + "\n", "a" * 63, "A" * 64])
def test_what_is_not_exactly_a_digest_is_not_approved(tmp_path, digest):
    with pytest.raises(ValueError, match="a digest is 64 hexadecimal digits"):
        approve(Home(tmp_path), digest, "typed", {})
    assert approvals(Home(tmp_path)) == {}


def test_init_says_what_to_send_and_the_fingerprint_to_read_out_and_again_the_same_of_a_key_that_stands(tmp_path):
    found, home = init(tmp_path), Home(tmp_path)
    line = home.public_key.read_text().strip()
    assert found.output.splitlines() == [
        f"site folder: {tmp_path}",
        f"node key: {home.key} (stays here)",
        f"send this file to the coordinator: {home.public_key}",
        line,
        f"and read its fingerprint to them over the telephone: {line_fingerprint(line)}",
    ]
    assert found.output.splitlines()[-3:] == init(tmp_path).output.splitlines()[-3:]


def test_init_makes_an_empty_case_list_and_keeps_one_that_stands(tmp_path):
    init(tmp_path)
    assert (tmp_path / "cases.csv").read_text() == "case_id,label,split\n"
    (tmp_path / "cases.csv").write_text("case_id,label,split\nP-1,LumA,train\n")
    init(tmp_path)
    assert "P-1" in (tmp_path / "cases.csv").read_text()


def test_a_site_without_masks_and_fewer_than_three_holders_is_told_of_each_by_itself(tmp_path):
    (tmp_path / "site.yaml").write_text("name: a\npolicy: {min_holders: 3, require_masking: false}\n")
    said = init(tmp_path).output
    assert ("require_masking" in said, "min_holders" in said) == (True, False)
    (tmp_path / "site.yaml").write_text("name: a\npolicy: {min_holders: 2, require_masking: true}\n")
    said = init(tmp_path).output
    assert ("require_masking" in said, "min_holders" in said) == (False, True)


def status(folder):
    return CliRunner().invoke(app, ["status", str(folder)], env={"COLUMNS": "300"})


def test_a_site_that_never_joined_has_no_status_and_nothing_to_leave(tmp_path):
    init(tmp_path)
    found = status(tmp_path)
    assert (found.exit_code, found.output) == (1, "this site has not joined yet\n")
    assert "this site does not take part" in CliRunner().invoke(app, ["leave", str(tmp_path)]).output


def test_status_says_since_when_with_what_last_request_and_which_complaints(tmp_path):
    init(tmp_path)
    home, when = Home(tmp_path), time.mktime((2026, 3, 5, 14, 7, 9, 0, 0, -1))
    about = {"meaning": "nobody answers", "request": "train", "complaints": ["cnv: too few cases", "hif: no slide"]}
    write_json(home.state, {"state": "connected", "pid": 1, "time": when, **about})
    below = ["last request: train", "cnv: too few cases", "hif: no slide"]
    found = status(tmp_path)
    assert found.exit_code == 1
    assert found.output.splitlines() == ["stopped since 2026-03-05 14:07:09: nobody answers", *below]
    with home.lock.open("w") as lock:  # as a running `join` holds it
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = status(tmp_path)
    assert found.exit_code == 0
    assert found.output.splitlines() == ["connected since 2026-03-05 14:07:09: nobody answers", *below]
    write_json(home.state, {"state": "connected", "pid": 1, "time": when})
    assert status(tmp_path).output.splitlines() == ["stopped since 2026-03-05 14:07:09"]


def test_trust_takes_one_of_a_digest_the_checkout_and_a_roster(tmp_path):
    init(tmp_path)
    for given in (
        ["a" * 64, "--from-checkout"],
        ["a" * 64, "--roster", "b" * 64],
        ["--from-checkout", "--roster", "b"],
    ):
        found = CliRunner().invoke(app, ["trust", str(tmp_path), *given])
        assert found.exit_code == 1
        assert "give one of: a digest of code, --from-checkout, --roster" in found.output
    assert approvals(Home(tmp_path)) == {}


def test_trust_says_what_is_approved_by_which_way_and_what_this_source_is(tmp_path):
    init(tmp_path)
    assert f"this source is {digest_of_checkout()}" in trust(tmp_path)
    assert f"approved: {'a' * 64}" in trust(tmp_path, "a" * 64)
    assert f"approved: {digest_of_checkout()}" in trust(tmp_path, "--from-checkout")
    shown = trust(tmp_path)
    assert f"approved: {'a' * 64} (typed, " in shown
    assert f"approved: {digest_of_checkout()} (the source in " in shown
    assert f"no longer approved: {'a' * 64}" in trust(tmp_path, "a" * 64, "--withdraw")
    assert list(approvals(Home(tmp_path))) == [digest_of_checkout()]


def trust(folder, *given):
    return CliRunner().invoke(app, ["trust", str(folder), *given], env={"COLUMNS": "400"}).output
