"""`tessera-client check` as a whole: key, certificates, port, and which settings the folder is held against."""

import datetime
import fcntl
import json
import socket

import pytest
import torch
from cryptography import x509
from typer.testing import CliRunner

from client.check.checkup import check_everything
from client.check.own_files import authority_problems, fingerprints, own_problems
from client.cli import app
from client.node.approval import approve, withdraw
from client.node.home import Home
from client.node.keys import make_node_key
from modalities.core.release.signing import make_release_key
from modalities.core.settings.site import CoordinatorConfig
from modalities.core.supply.packages import contents, installed
from server.cli import app as server
from server.coordinator.folder import enrol_site, init_study
from server.network.certificates import AUTHORITY_DAYS, Tls, issue_server_certificate, make_authority
from strategies.masking.roster import Roster, key_digest, write_roster
from tests.support import small_federation, write_sites

NOW = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture
def site(tmp_path):
    """A folder with all that joining needs."""
    folder = tmp_path / "site"
    home = Home(folder)
    make_node_key(home.key, home.public_key, "site")
    make_release_key(tmp_path / "release.key", folder / "release.pub")
    tls = Tls(tmp_path / "tls")
    make_authority(tls, "demo", NOW)
    (folder / "ca.crt").write_bytes(tls.authority.read_bytes())
    return folder


CODE = 64 * "0"


def own(site, port, now=NOW):
    """What is said of a site that has approved some code."""
    Home(site).folder.mkdir(exist_ok=True)
    approve(Home(site), CODE, "typed", contents(installed()))
    return own_as_it_is(site, port, now)


def own_as_it_is(site, port, now=NOW):
    found = own_problems(site, CoordinatorConfig(address="a:1", local_port=port), now)
    return [(one.level, one.file, one.what) for one in found], [one.remedy for one in found]


def test_a_folder_with_all_that_joining_needs_gets_no_word(site, port):
    assert own(site, port) == ([], [])


def test_everything_that_is_not_there_is_said_at_once(tmp_path, port):
    found, remedies = own(tmp_path, port)
    assert [(level, file) for level, file, _ in found] == [
        ("error", ".tessera/node.key"),
        ("error", "ca.crt"),
        ("warning", "release.pub"),
    ]
    assert remedies[0] == "make one: tessera-client init"


def test_a_site_that_has_approved_no_code_is_told_to_before_it_joins(site, port):
    own(site, port)
    withdraw(Home(site), CODE)
    ((found,), (remedy,)) = own_as_it_is(site, port)
    assert found == ("warning", ".tessera/approved.json", "no code is approved yet: needed to join")
    assert remedy == f"review it, then: tessera-client trust {site} --from-checkout"


def test_packages_that_changed_since_the_code_was_approved_are_an_error_that_names_them(site, port):
    approve(Home(site), CODE, "typed", {**contents(installed()), "numpy": "1.0 aa", "gone": "2.0 bb"})
    ((found,), (remedy,)) = own_as_it_is(site, port)
    assert found[:2] == ("error", ".tessera/approved.json")
    assert found[2].startswith("packages changed since code was approved: gone 2.0 -> none, numpy 1.0 -> 2.")
    assert remedy == f"install those again, or once you know why: tessera-client trust {site} --from-checkout"


def test_the_fingerprints_to_compare_are_those_that_the_coordinator_reads_out(tmp_path):
    study = init_study(tmp_path / "study", ["localhost"])
    (tmp_path / "study" / "federation.yaml").write_text("modalities: {cnv: {features: [A]}}\n")
    handed = CliRunner().invoke(server, ["hand-out", str(study.folder)])
    assert handed.exit_code == 0
    found = fingerprints(study.for_sites, CoordinatorConfig())
    assert [one.file for one in found] == ["ca.crt", "release.pub"]
    for one in found:
        assert f"{one.file}: {one.what}\n" in handed.output
    (study.for_sites / "ca.crt").write_text("text")
    (study.for_sites / "release.pub").unlink()
    assert fingerprints(study.for_sites, CoordinatorConfig()) == []


def test_the_rosters_digest_to_compare_is_the_one_that_the_coordinator_reads_out(tmp_path):
    study = init_study(tmp_path / "study", ["localhost"])
    (tmp_path / "study" / "federation.yaml").write_text("modalities: {cnv: {features: [A]}}\n")
    for site in ("a", "b"):
        make_node_key(tmp_path / f"{site}.key", tmp_path / f"{site}.pub", site)
        enrol_site(study, site, tmp_path / f"{site}.pub")
    for command in ("roster", "hand-out"):
        handed = CliRunner().invoke(server, [command, str(study.folder)], env={"COLUMNS": "300"})
        assert handed.exit_code == 0
    *_, found = fingerprints(study.for_sites, CoordinatorConfig(roster="roster.yaml"))
    assert f"  {found.file}: {found.what}\n" in handed.output
    assert found.what.startswith("2 sites, digest ")
    assert len(fingerprints(study.for_sites, CoordinatorConfig())) == 2


def test_a_key_that_others_can_read_is_an_error_with_the_command_that_mends_it(site, port):
    Home(site).key.chmod(0o644)
    ((found,), (remedy,)) = own(site, port)
    assert found == ("error", ".tessera/node.key", "others can read this key (mode 644)")
    assert remedy == f"run: chmod 600 {Home(site).key}"


def test_files_of_another_kind_are_told(site, port):
    tls = Tls(site.parent / "tls")
    issue_server_certificate(tls, ["localhost"], NOW)
    (site / "ca.crt").write_bytes(tls.certificate.read_bytes())
    (site / "release.pub").write_text("no key")
    found, _ = own(site, port)
    assert found == [
        ("error", "ca.crt", "a certificate, but not an authority's: nothing can be checked with it"),
        ("error", "release.pub", "no public key in PEM format"),
    ]
    (site / "ca.crt").write_text("text")
    assert own(site, port)[0][0][2].startswith("no certificate in PEM format: ")


@pytest.mark.parametrize(
    ("days", "level", "what"),
    [
        (-1, "error", "this certificate begins on 2026-03-05, and this machine's clock says 2026-03-04"),
        (AUTHORITY_DAYS - 29, "warning", "this certificate ends on 2036-03-02"),
        (AUTHORITY_DAYS + 2, "error", "this certificate ended on 2036-03-02, and this machine's clock says 2036-03-04"),
    ],
)
def test_the_authority_has_begun_and_has_not_ended(site, days, level, what):
    (found,) = authority_problems(site / "ca.crt", NOW + datetime.timedelta(days=days))
    assert (found.level, found.what) == (level, what)


def test_a_port_that_another_program_holds_is_an_error_and_the_sites_own_join_a_note(site):
    home = Home(site)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ((found,), _) = own(site, port)
        assert found == ("error", "site.yaml", f"port {port} of this machine cannot be had: another program uses it")
        home.state.write_text(json.dumps({"state": "running", "pid": 1, "time": 0.0}))
        with home.lock.open("w") as lock:  # as a running `join` does
            fcntl.flock(lock, fcntl.LOCK_EX)
            ((found,), _) = own(site, port)
    assert found == ("note", "site.yaml", f"port {port} of this machine is held by this site's own `join`")


FEDERATION = small_federation()


@pytest.fixture
def folder(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("cnv", "hif")], [37])
    (tmp_path / "federation.yaml").write_text(FEDERATION.to_json())
    return root / "site_1"


def coordinator(folder, text):
    with (folder / "site.yaml").open("a") as file:
        file.write(f"coordinator: {{{text}}}\n")


def said(report):
    return [finding.what for finding in report.problems]


def test_without_a_studys_settings_the_rest_is_still_looked_at(folder):
    report = check_everything(folder, None, offline=True)
    assert report.site == "site_1"
    assert report.modalities == {}
    assert "no study's settings: cases and their files were not read" in said(report)
    assert any(what.startswith("versions: python ") for what in said(report))
    assert any(what.startswith("no coordinator.address: ") for what in said(report))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_the_site_asks_for_and_lacks_is_an_error_with_the_way_out(folder):
    with (folder / "site.yaml").open("a", encoding="utf-8") as file:
        file.write("resources: {device: cuda}\n")
    report = check_everything(folder, None, offline=True)
    assert not report.ok
    (problem,) = [one for one in report.problems if one.where == "resources.device"]
    assert (problem.level, problem.file) == ("error", "site.yaml")
    assert "finds no GPU here" in problem.what
    assert problem.remedy.startswith("set auto or cpu, or ")


def test_the_settings_that_the_site_agreed_to_are_taken(folder):
    coordinator(folder, "federation: ../federation.yaml")
    report = check_everything(folder, None, offline=True)
    assert sorted(report.modalities) == ["cnv", "hif"]
    assert report.ok


def test_other_settings_than_those_agreed_to_are_warned_of_by_name(folder, tmp_path):
    coordinator(folder, "federation: ../federation.yaml")
    (tmp_path / "other.yaml").write_text(small_federation(fusion__folds=3).to_json())
    report = check_everything(folder, tmp_path / "other.yaml", offline=True)
    assert "other settings than those that this site agreed to: fusion.folds: agreed 2, sent 3" in said(report)


def policy(folder, text):
    path = folder / "site.yaml"
    path.write_text(path.read_text().replace("require_masking: false", text))


def test_a_site_that_requires_masks_is_told_that_the_study_has_none(folder):
    policy(folder, "require_masking: true")
    report = check_everything(folder, folder.parent / "federation.yaml", offline=True)
    assert not report.ok
    what = "this site takes part in masked sums only, and this study has none (privacy.masking: off)"
    (found,) = [one for one in report.problems if one.where == "policy.require_masking"]
    assert (found.level, found.what) == ("error", what)
    masked = small_federation(privacy__masking="required")
    (folder.parent / "federation.yaml").write_text(masked.to_json())
    report = check_everything(folder, folder.parent / "federation.yaml", offline=True)
    assert what not in said(report)


def test_masks_that_the_site_agreed_to_without_an_approved_roster_are_an_error(folder, port):
    coordinator(folder, f"federation: ../federation.yaml, roster: roster.yaml, address: 'a:1', local_port: {port}")
    without = "no roster of the study's sites is approved: needed for masked sums"
    assert without not in said(check_everything(folder, None, offline=True))
    (folder.parent / "federation.yaml").write_text(small_federation(privacy__masking="required").to_json())
    report = check_everything(folder, None, offline=True)
    (found,) = [one for one in report.problems if one.what == without]
    assert (found.level, found.file) == ("error", ".tessera/approved-roster.json")
    make_node_key(Home(folder).key, Home(folder).public_key, "site_1")
    roster = Roster({"site_1": key_digest(Home(folder).public_key.read_bytes()), "b": "b" * 64})
    write_roster(folder / "roster.yaml", roster)
    assert CliRunner().invoke(app, ["trust", str(folder), "--roster", roster.digest]).exit_code == 0
    report = check_everything(folder, None, offline=True)
    assert without not in said(report)
    assert f"2 sites, digest {roster.digest}" in said(report)


def test_settings_agreed_to_that_cannot_be_read_are_an_error(folder):
    coordinator(folder, "federation: gone.yaml")
    report = check_everything(folder, None, offline=True)
    assert not report.ok
    assert any(one.level == "error" and one.file == "gone.yaml" for one in report.problems)


def test_offline_leaves_the_way_to_the_coordinator_out_and_says_so(folder, port):
    """Nobody listens at the address: without --offline that is an error."""
    coordinator(folder, f"address: 'localhost:{port}', local_port: {port}")
    tls = Tls(folder / "tls")
    make_authority(tls, "demo", datetime.datetime.now(datetime.UTC))
    (folder / "ca.crt").write_bytes(tls.authority.read_bytes())
    arguments = ["check", str(folder), "--federation", str(folder.parent / "federation.yaml"), "--json"]

    def problems(*options):
        found = CliRunner().invoke(app, [*arguments, *options], env=dict.fromkeys(("HTTPS_PROXY", "https_proxy")))
        return [one["what"] for one in json.loads(found.output)["problems"]]

    refused = f"localhost:{port} refuses the connection: nothing listens there"
    assert refused in problems()
    left_out = problems("--offline")
    assert f"--offline: the way to localhost:{port} and the clock were not looked at" in left_out
    assert refused not in left_out


def test_an_authority_that_ends_in_less_than_thirty_days_is_warned_of(site):
    ends = x509.load_pem_x509_certificate((site / "ca.crt").read_bytes()).not_valid_after_utc
    thirty_days, second = datetime.timedelta(days=30), datetime.timedelta(seconds=1)
    assert authority_problems(site / "ca.crt", ends - thirty_days) == []
    assert [found.level for found in authority_problems(site / "ca.crt", ends - thirty_days + second)] == ["warning"]
    assert [found.level for found in authority_problems(site / "ca.crt", ends)] == ["warning"]
    assert [found.level for found in authority_problems(site / "ca.crt", ends + second)] == ["error"]
