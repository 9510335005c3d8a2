"""The roster that a site approves: its own copy, by the digest that the coordinator read out, and no other."""

import json
import re
import time

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.node.approval import approve
from client.node.home import Home
from client.node.keys import make_node_key
from client.node.roster import approved_roster, roster_problems
from modalities.core.settings.site import read_site_config
from strategies.masking.roster import Roster, key_digest, load_roster, write_roster

B, C, D = "b" * 64, "c" * 64, "d" * 64


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "500"})


@pytest.fixture
def site(tmp_path):
    """A folder as `init` makes it, with a roster of three that nobody has approved yet."""
    folder = tmp_path / "a"
    assert run("init", folder, "--name", "a", "--address", "there:7").exit_code == 0
    (folder / "ca.crt").touch()
    write_roster(folder / "roster.yaml", Roster({"a": key_of(folder), "b": B, "c": C}, "brca"))
    return folder


def key_of(folder):
    return key_digest(Home(folder).public_key.read_bytes())


def digest_of(folder):
    return load_roster(folder / "roster.yaml").digest


def approved(folder):
    return approved_roster(Home(folder), read_site_config(folder / "site.yaml"))


def problems(folder):
    return [str(problem) for problem in roster_problems(Home(folder), read_site_config(folder / "site.yaml"))]


def test_a_roster_is_approved_by_the_digest_that_was_read_out(site):
    digest = digest_of(site)
    found = run("trust", site, "--roster", digest)
    assert found.exit_code == 0
    assert found.output.splitlines() == [
        f"  a: {key_of(site)} (this site)",
        f"  b: {B}",
        f"  c: {C}",
        f"approved: roster {digest}, 3 sites",
    ]
    assert approved(site) == load_roster(site / "roster.yaml")
    kept = json.loads((site / ".tessera" / "approved-roster.json").read_text())
    assert kept["digest"] == digest
    assert kept["sites"] == {"a": key_of(site), "b": B, "c": C}
    assert time.time() - 60 < kept["time"] <= time.time()


@pytest.mark.parametrize("digest", ["e" * 64, "e" * 63, "E" * 64, "roster.yaml"])
def test_another_digest_than_the_files_approves_nothing(site, digest):
    found = run("trust", site, "--roster", digest)
    assert found.exit_code == 1
    is_digest = digest == "e" * 64
    said = f"has the digest {digest_of(site)}, not {digest}; approve nothing" if is_digest else "64 hexadecimal digits"
    assert said in found.output
    with pytest.raises(ValueError, match="no roster of the study's sites is approved: needed for masked sums"):
        approved(site)


@pytest.mark.parametrize(
    ("sites", "said"),
    [
        ({"a": D, "b": B}, "a stands there with another key"),
        ({"c": C, "b": B}, "no site a stands there"),
        ({"A": None, "b": B}, "this site's key stands there as A, not as a"),
        ({"a": B, "b": None}, "this site's key stands there as b, not as a"),
    ],
)
def test_a_roster_without_this_sites_key_under_its_name_is_refused(site, sites, said):
    roster = Roster({name: key or key_of(site) for name, key in sites.items()}, "brca")
    write_roster(site / "roster.yaml", roster)
    found = run("trust", site, "--roster", roster.digest)
    assert found.exit_code == 1
    assert f"roster.yaml: {said}; ask the coordinator whether node.pub is the key" in found.output
    assert not (site / ".tessera" / "approved-roster.json").exists()


def test_a_site_whose_key_or_name_changed_since_has_no_roster_any_more(site):
    run("trust", site, "--roster", digest_of(site))
    home = Home(site)
    for path in (home.key, home.public_key):
        path.unlink()
    with pytest.raises(ValueError, match=r"\.tessera/node\.pub: no public key here; make the key"):
        approved(site)
    home.public_key.write_text("no key")
    with pytest.raises(ValueError, match=r"\.tessera/node\.pub: no public key: neither"):
        approved(site)
    home.public_key.unlink()
    make_node_key(home.key, home.public_key, "a")
    with pytest.raises(ValueError, match=r"roster\.yaml: a stands there with another key"):
        approved(site)


def test_a_file_that_was_changed_after_the_approval_is_refused_and_says_what_changed(site):
    run("trust", site, "--roster", digest_of(site))
    old = digest_of(site)
    later = Roster({"a": key_of(site), "b": D, "late": C}, "brca")
    write_roster(site / "roster.yaml", later)
    what = f"has the digest {later.digest}, and this site approved {old} (joined: late; left: c; another key: b)"
    with pytest.raises(ValueError, match=re.escape(what)):
        approved(site)
    found = run("trust", site, "--roster", later.digest)
    assert found.output.splitlines()[3:] == [
        "joined: late",
        "left: c",
        "another key: b",
        f"approved: roster {later.digest}, 3 sites",
    ]
    assert approved(site) == later


def test_comments_and_order_may_change_after_the_approval(site):
    run("trust", site, "--roster", digest_of(site))
    (site / "roster.yaml").write_text(f"sites: {{c: {C}, a: {key_of(site)}, b: {B}}}  # by hand\nstudy: brca\n")
    assert approved(site).sites["c"] == C


def test_a_file_that_is_gone_a_link_or_not_named_is_said(site, tmp_path):
    run("trust", site, "--roster", digest_of(site))
    moved = (site / "roster.yaml").rename(tmp_path / "roster.yaml")
    with pytest.raises(ValueError, match=r"roster\.yaml: no such file; ask the coordinator"):
        approved(site)
    (site / "roster.yaml").symlink_to(moved)
    with pytest.raises(ValueError, match=r"roster\.yaml: must be a file, not a link"):
        approved(site)
    settings = site / "site.yaml"
    settings.write_text(settings.read_text().replace("roster: roster.yaml", "#"))
    with pytest.raises(ValueError, match=r"site\.yaml, coordinator\.roster: names no file: needed for masked sums"):
        approved(site)


@pytest.mark.parametrize("kept", ["", "{", "[]", "{}", '{"sites": {}, "study": "", "time": 0, "digest": ""}', "edited"])
def test_a_record_of_the_approval_that_is_damaged_approves_nothing(site, kept):
    run("trust", site, "--roster", digest_of(site))
    record = site / ".tessera" / "approved-roster.json"
    record.write_text(record.read_text().replace(C, D) if kept == "edited" else kept)
    with pytest.raises(
        ValueError, match=r"\.tessera/approved-roster\.json: cannot be read: .*; delete it, and compare"
    ):
        approved(site)


def test_an_approval_is_withdrawn_by_its_digest_only(site):
    digest = digest_of(site)
    found = run("trust", site, "--roster", digest, "--withdraw")
    assert (found.exit_code, f"roster {digest}: not approved; approved is: none" in found.output) == (1, True)
    run("trust", site, "--roster", digest)
    found = run("trust", site, "--roster", D, "--withdraw")
    assert (found.exit_code, f"approved is: {digest}" in found.output) == (1, True)
    assert approved(site).digest == digest
    assert run("trust", site, "--roster", digest, "--withdraw").output == f"no longer approved: roster {digest}\n"
    with pytest.raises(ValueError, match="no roster of the study's sites is approved"):
        approved(site)


def test_without_a_digest_trust_says_what_is_approved_and_what_the_file_is(site):
    digest = digest_of(site)
    lines = run("trust", site).output.splitlines()
    of_file = [f"roster.yaml is {digest}, 3 sites:", f"  a: {key_of(site)} (this site)", f"  b: {B}", f"  c: {C}"]
    assert lines[-4:] == of_file
    assert not any("approved: roster" in line for line in lines)
    run("trust", site, "--roster", digest)
    lines = run("trust", site).output.splitlines()
    assert lines[-5].startswith(f"approved: roster {digest} (3 sites, ")
    assert lines[-4:] == of_file


def test_code_and_roster_are_approved_one_at_a_time(site):
    for arguments in ((B, "--roster", C), ("--from-checkout", "--roster", C), (B, "--from-checkout")):
        found = run("trust", site, *arguments)
        assert found.exit_code == 1
        assert "give one of: a digest of code, --from-checkout, --roster" in found.output


# ---- what requires one


def test_a_site_that_requires_masks_does_not_join_without_an_approved_roster(site):
    approve(Home(site), "0" * 64, "typed", {})
    found = run("join", site)
    assert found.exit_code == 1
    how = f"compare with what the coordinator reads out, then: tessera-client trust {site} --roster DIGEST"
    assert f"no roster of the study's sites is approved: needed for masked sums; {how}" in found.output
    run("trust", site, "--roster", digest_of(site))
    (site / "federation.yaml").write_text("modalities: {cnv: {features: [A]}}\n")
    Home(site).key.chmod(0o644)  # the next thing that is looked at
    found = run("join", site)
    assert "roster" not in found.output
    assert "others can read this key" in found.output


def test_a_roster_is_asked_for_where_policy_or_agreed_settings_require_masks(site):
    settings, federation = site / "site.yaml", site / "federation.yaml"
    (said,) = problems(site)
    assert "no roster of the study's sites is approved" in said
    text = settings.read_text().replace("require_masking: true", "require_masking: false")
    settings.write_text(text)
    assert problems(site) == []
    federation.write_text("privacy: {masking: required}\nmodalities: {cnv: {features: [A]}}\n")
    assert problems(site) == [said]
    federation.write_text("privacy: {masking: off}\nmodalities: {cnv: {features: [A]}}\n")
    assert problems(site) == []
    for broken in ("{", "a", "privacy: 3"):  # said by whoever reads the whole of it
        federation.write_text(broken)
        assert problems(site) == []
    federation.write_text("privacy: {masking: required, delta: 3}\n")
    run("trust", site, "--roster", digest_of(site))
    assert problems(site) == []
