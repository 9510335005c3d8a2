"""Sites that do not fit the study, for real: each is told why, and the study is that of the others."""

import shutil
from pathlib import Path

import pytest

from client.node.home import Home
from server.coordinator.flower import outcome, submit
from server.coordinator.folder import Study
from server.coordinator.runs import Work, _run_config
from server.state.status import read_status
from strategies.bundle import REPOSITORY, staged_app
from strategies.flower.command_line import is_finished
from tests.deployment.machine import NGINX, STUDY_S, Machine, meaning, wait_until
from tests.deployment.test_loopback import assert_same
from tests.support import run_small, small_federation, write_sites

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
HOLDINGS, N_CASES = [("cnv", "hif")] * 5, (29, 17, 23, 19, 21)
AGREED, GENES, CLASSES, CLOCK = "site_2", "site_3", "site_4", "site_5"
"""What differs: the settings it agreed to; its gene list; its class list; its clock. site_1 is as it should be."""
FEDERATION = small_federation(fusion={"fit": "tune", "rounds": 3})
pytestmark = [pytest.mark.faults, pytest.mark.timeout(STUDY_S + 300)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A study whose sites differ, each connected but that with the wrong clock."""
    here = Machine(tmp_path_factory.mktemp("unlike"))
    here.set_up(FEDERATION, "nginx" if NGINX else "builtin", HOLDINGS, N_CASES, sites=4, round_timeout_s=120)
    differ(here.sites)
    try:
        here.open()
        here.join("site_1", AGREED, GENES, CLASSES)
        yield here
    finally:
        here.end_all()


def differ(sites):
    other = small_federation(fusion={"fit": "tune", "rounds": 3}, modalities__cnv__federated__rounds=7)
    (sites / AGREED / "agreed.yaml").write_text(other.to_json())
    settings = sites / AGREED / "site.yaml"
    settings.write_text(settings.read_text().replace("federation: federation.yaml", "federation: agreed.yaml"))
    with_other_genes(sites / GENES)
    cases = sites / CLASSES / "cases.csv"
    cases.write_text(cases.read_text().replace("LumA", "Luminal A"))


def with_other_genes(site):
    for table in (site / "cnv").glob("*.txt"):
        head, *rows = table.read_text().splitlines()
        table.write_text("\n".join([head, *(f"OTHER{row}" for row in rows)]) + "\n")
    shutil.rmtree(site / "cnv" / "segments")


def told(machine, site):
    """What the site's people see: by `join`, and by `status`."""
    shown = machine.type_in("client", "status", machine.sites / site).replace("\n", " ")
    return machine.said(site).replace("\n", " "), shown


def test_other_settings_genes_and_classes_are_each_told_and_the_study_is_that_of_the_others(machine, tmp_path):
    said = {
        AGREED: "not taking part: other settings than this site agreed to",
        GENES: "not taking part with cnv: ",
        CLASSES: "labels outside the class list: Luminal A (6); the task knows LumA, LumB, Basal, Her2",
    }
    machine.call("server", "run", machine.study.folder, timeout=STUDY_S)
    for site, words in said.items():
        assert all(words in shown for shown in told(machine, site)), told(machine, site)
    assert "modalities.cnv.federated.rounds: agreed 7, sent 2" in machine.said(AGREED)
    status = read_status(machine.study.run)
    assert {note["site"]: note["text"] for note in status["notes"] if note["site"] != "*"} == {
        AGREED: "it takes part with none of its modalities; its own log says why",
        CLASSES: "the site reported a failure; its own log says more",
    }
    assert {site: set(held) for site, held in status["cohorts"].items() if held} == {
        "site_1": {"cnv", "hif"},
        GENES: {"hif"},
    }
    root = write_sites(tmp_path, FEDERATION, HOLDINGS, N_CASES)
    for number in (2, 4, 5):
        (root / f"site_{number}" / "site.yaml").unlink()
    with_other_genes(root / GENES)
    assert_same(machine.study.run / "release", run_small(root, FEDERATION))


def test_a_run_config_that_says_where_data_lies_is_refused_by_every_site(machine):
    study, elsewhere = machine.study, machine.folder / "elsewhere"
    elsewhere.mkdir()
    config = {**_run_config(study, Work(elsewhere, elsewhere / "release")), "site-root": str(machine.sites)}
    run_id = submit(study, staged_app(REPOSITORY, elsewhere / "app"), config)
    wait_until(lambda: is_finished(outcome(study, run_id)[0]), 120, "the run has ended")
    assert outcome(study, run_id)[0] == "finished:failed"
    assert not (elsewhere / "release").exists()
    refused = read_status(elsewhere)["notes"] if (elsewhere / "status.json").is_file() else []
    for site in ("site_1", AGREED, GENES, CLASSES):
        assert all("site-root" in shown for shown in told(machine, site)), (told(machine, site), refused)


def test_a_second_node_with_a_sites_key_is_refused_and_the_first_stays(machine):
    double = machine.sites / "double"
    shutil.copytree(machine.sites / "site_1", double)
    settings, port = double / "site.yaml", machine.ports[2]
    settings.write_text(settings.read_text().replace(f"local_port: {port}", f"local_port: {machine.ports[7]}"))
    machine.start("double", "client", "join", double)
    wait_until(lambda: bool(meaning(double)), 120, "the second is refused")
    assert "the last connection with it is still held, here or on another machine" in meaning(double)
    machine.type_in("client", "leave", double)
    assert "connected since" in told(machine, "site_1")[1]


def test_whom_nobody_enrolled_and_who_trusts_another_authority_is_told_so(machine):
    unregistered = machine.stranger("unregistered", 6, machine.study.tls.authority)
    other = Study(machine.folder / "other")
    machine.type_in("server", "init", other.folder)
    deceived = machine.stranger("deceived", 7, other.tls.authority)
    wait_until(lambda: bool(meaning(unregistered) and meaning(deceived)), 120, "both are refused")
    assert meaning(unregistered).startswith("the coordinator does not take this site's key")
    assert meaning(deceived).startswith("the server's certificate is not of this study's authority")
    for folder in (unregistered, deceived):
        machine.type_in("client", "leave", folder)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed: apt-get install faketime")
@pytest.mark.parametrize(("seconds", "side"), [("-400", "behind"), ("+60", "ahead of")])
def test_a_site_whose_clock_is_wrong_is_told_to_look_at_it(machine, seconds, side):
    site = machine.sites / CLOCK
    wrong = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": seconds}
    machine.start(f"clock{seconds}", "client", "join", site, **wrong)
    wait_until(lambda: bool(meaning(site)), 120, "it is refused")
    assert "this machine's clock is wrong; check the clock" in meaning(site)
    assert "join: connected" not in machine.said(f"clock{seconds}")
    machine.started[f"clock{seconds}"].terminate()
    machine.started[f"clock{seconds}"].wait(60)
    machine.start(f"check{seconds}", "client", "check", site, **wrong).wait(120)
    assert f"s {side} the gateway's" in machine.said(f"check{seconds}").replace("\n", " ")
    assert not Home(site).audit.exists()
