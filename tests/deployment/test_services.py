"""The services of a coordinator and three sites, run by a real systemd: from nothing to a release, back to nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.node.home import Home
from strategies.flower.processes import programs
from tests.deployment.booted import Booted, booted
from tests.deployment.machine import NGINX, SITES, STUDY_S, Machine, wait_until
from tests.support import small_federation

SHARED = Path("/srv/tessera")
STUDY = SHARED / "study"
DATA_GROUP, DATA_OWNER = 47110, 47111
_USERS = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
OF_USERADD = {f"etc/{name}{end}" for name in _USERS for end in ("", "-")}
"""Written anew with every user that comes or goes."""
UNITS = [
    *(f"tessera-site-{site}.service" for site in SITES),
    *(f"tessera-{part}-study.service" for part in ("coordinator", "gateway", "run")),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A study with three enrolled sites, whose data belong to a hospital's people: neither root's, nor everybody's."""
    here = Machine(tmp_path_factory.mktemp("d"))
    here.set_up(small_federation(fusion={"fit": "tune", "rounds": 2}), "nginx")
    for path in [here.sites, *here.sites.rglob("*")]:
        os.chown(path, DATA_OWNER, DATA_GROUP)
        if "node.key" not in path.name:
            path.chmod(0o750 if path.is_dir() else 0o640)
    here.folder.chmod(0o755)
    return here


@pytest.fixture(scope="module")
def there(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    if Path(sys.prefix).is_relative_to("/tmp"):
        pytest.skip("a service sees a /tmp of its own, and the program lies in this one")
    found = booted(tmp_path_factory.mktemp("b"), machine.folder)
    if found is None or NGINX is None:
        pytest.skip("needs root, systemd, namespaces and nginx")
    try:
        yield found
    finally:
        found.end()


def client(there: Booted, *arguments: object) -> subprocess.CompletedProcess[str]:
    return there.run(programs() / "tessera-client", *arguments)


def server(there: Booted, *arguments: object) -> subprocess.CompletedProcess[str]:
    return there.run(programs() / "tessera-server", *arguments)


@pytest.mark.slow
@pytest.mark.timeout(STUDY_S + 600)
def test_a_study_of_three_sites_runs_as_services_and_leaves_nothing_behind(machine, there):
    there.call("groupadd", "--gid", DATA_GROUP, "oncology-data")
    before, users = there.written(), there.call("cat", "/etc/passwd", "/etc/group")
    secret = machine.sites / "site_2" / "secret.csv"
    secret.touch()
    secret.chmod(0o600)
    refused = client(there, "service", "install", SHARED / "sites" / "site_2")
    assert refused.returncode == 1
    assert f"tessera-site cannot read {SHARED}/sites/site_2/secret.csv" in " ".join(refused.stdout.split())
    assert "tessera-site" not in there.call("cat", "/etc/passwd")  # the user that was made for it is gone
    secret.unlink()

    installed = server(there, "service", "install", STUDY)
    assert installed.returncode == 0, installed.stdout
    for site in SITES:
        installed = client(there, "service", "install", SHARED / "sites" / site)
        assert installed.returncode == 0, installed.stdout
    again = client(there, "service", "install", SHARED / "sites" / "site_1").stdout
    assert "is as it should be" in again
    assert "wrote" not in again
    connected = [machine.sites / site / ".tessera" / "site.log" for site in SITES]
    wait_until(
        lambda: all(log.is_file() and "join: connected" in log.read_text() for log in connected), 180, "all join"
    )

    there.call("systemctl", "enable", "--now", "tessera-run-study.service")
    release = machine.study.run / "release"
    wait_until(lambda: there.run("systemctl", "is-active", UNITS[-1]).stdout.strip() != "activating", 60, "it runs")
    there.run("systemctl", "kill", "--signal", "SIGKILL", "tessera-site-site_2.service")  # systemd starts it again
    wait_until(lambda: there.run("systemctl", "is-active", UNITS[-1]).stdout.strip() == "inactive", STUDY_S, "it ended")
    said = there.call("journalctl", "--no-pager", "-u", UNITS[-1])
    assert (release / "model.json").is_file(), said
    machine.type_in("server", "verify", release, "--key", machine.study.release_public_key)

    hold_to_what_is_allowed(machine, there)
    for site in SITES:
        removed = client(there, "service", "remove", SHARED / "sites" / site)
        assert removed.returncode == 0, removed.stdout
        assert (machine.sites / site / ".tessera").stat().st_uid == DATA_OWNER
        assert Home(machine.sites / site).key.stat().st_uid == DATA_OWNER
    assert server(there, "service", "remove", STUDY).returncode == 0
    assert "not installed" in client(there, "service", "status", SHARED / "sites" / "site_1").stdout
    assert there.call("cat", "/etc/passwd", "/etc/group") == users
    assert there.written() - before <= OF_USERADD
    assert not there.call("find", "/run", "/tmp", "/dev/shm", "-name", "*tessera*")
    assert not there.call("systemctl", "list-units", "--all", "--no-legend", "tessera-*")


def hold_to_what_is_allowed(machine: Machine, there: Booted) -> None:
    """What the services ran as, as the kernel has it."""
    status = client(there, "service", "status", SHARED / "sites" / "site_1")
    assert status.returncode == 0
    assert "active (running), enabled" in status.stdout
    assert "started again 1 times" in client(there, "service", "status", SHARED / "sites" / "site_2").stdout
    inside = there.call("systemctl", "show", "-p", "MainPID", "--value", UNITS[0]).strip()
    facts = dict(line.split(":", 1) for line in there.call("cat", f"/proc/{inside}/status").splitlines() if ":" in line)
    assert facts["NoNewPrivs"].strip() == "1"
    assert facts["Seccomp"].strip() == "2"
    assert int(facts["CapBnd"], 16) == int(facts["CapEff"], 16) == 0
    assert facts["Uid"].split()[0] == there.call("id", "-u", "tessera-site").strip()
    assert str(DATA_GROUP) in facts["Groups"].split()
    mounts = there.call("cat", f"/proc/{inside}/mountinfo").splitlines()
    writable = {line.split()[4] for line in mounts if line.split()[5].startswith("rw")}
    assert f"{SHARED}/sites/site_1/.tessera" in writable
    assert not {"/", str(SHARED), f"{SHARED}/sites/site_1"} & writable
    journal = there.call("journalctl", "--no-pager", "-u", "tessera-*")
    assert "join: connected" in journal
    assert "site_1_" not in journal
    assert shutil.which("systemd-analyze")
