"""A hospital's IT from a bare machine to a study and back: the docs' commands, their minutes, what is left behind.

pytest tests/deployment/test_from_nothing.py -s       # it installs dist/wheelhouse: `make wheelhouse` first
"""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from modalities.core.site.example import write_example_site
from strategies.bundle import digest_of_checkout
from tests.deployment.booted import Booted, booted
from tests.deployment.machine import REPOSITORY, STUDY_S, Machine, wait_until
from tests.support import small_federation

HOUSE, SHARED = REPOSITORY / "dist" / "wheelhouse", Path("/srv/tessera")
SITE, FOR_SITES = SHARED / "site_1", SHARED / "for-sites"
PROGRAM = "/opt/tessera/.venv/bin/tessera-client"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_ON_DISK = ("/run", "/tmp", "/dev/shm", str(SITE))
NOT_LEFT = ("/run/systemd", "/run/log", "/run/udev")
"""systemd's own and its journal's."""
KEEPER = "setpriv --reuid 47111 --regid 47110 --clear-groups"
"""Whoever keeps the data, and is not root."""


class NewUser:
    """Types what the docs say, as root or as who keeps the data, and looks at the clock; others cannot read it."""

    def __init__(self, there: Booted) -> None:
        self._there = there
        self.typed: list[tuple[str, float]] = []

    def type_in(self, line: str, as_user: str = "") -> str:
        began, whole = time.monotonic(), f"cd /; umask 027; {as_user} {line}"
        said = self._there.call("env", "-i", PATH, "HOME=/root", "sh", "-c", whole, timeout=1500)
        self.typed.append((line, time.monotonic() - began))
        return said


def everything(there: Booted) -> set[str]:
    """Every file and folder that this machine does not have, user, unit and timer."""
    pruned = " -o ".join(f"-path {folder}" for folder in NOT_LEFT)
    files = there.call("sh", "-c", f"cd /; find {' '.join(NOT_ON_DISK)} \\( {pruned} \\) -prune -o -print").splitlines()
    files += [f"/{name}" for name in there.written("d,f,l") if not os.path.lexists(f"/{name}")]
    units = [
        line.split()[0]
        for kind in ("list-unit-files", "list-units --all --type timer")
        for line in there.call("sh", "-c", f"systemctl --no-legend --plain {kind}").splitlines()
    ]
    return {*files, *units, *there.call("cat", "/etc/passwd", "/etc/group").splitlines()}


@pytest.mark.slow
@pytest.mark.timeout(STUDY_S + 600)
def test_a_bare_machine_is_connected_to_a_study_with_eight_commands_and_is_bare_again_after_four(tmp_path_factory):
    if not (HOUSE / "SHA256SUMS").is_file():
        pytest.skip("no dist/wheelhouse: make wheelhouse")
    machine = Machine(tmp_path_factory.mktemp("d"))
    machine.folder.chmod(0o755)
    federation = small_federation()
    machine.set_up(federation, "builtin", (), (), sites=1)
    machine.type_in("server", "hand-out", machine.study.folder)
    handed = shutil.copytree(machine.study.for_sites, machine.folder / FOR_SITES.name)
    folder = write_example_site(machine.folder, federation, 0, 29)
    there = booted(tmp_path_factory.mktemp("b"), machine.folder)
    if there is None:
        pytest.skip("needs root, systemd and namespaces")
    try:
        for own in [handed, *handed.iterdir(), folder, *folder.rglob("*")]:
            os.chown(own, 47111, 47110)
        there.call("groupadd", "--gid", "47110", "oncology-data")
        before, it = everything(there), NewUser(there)
        to_a_service(machine, it)
        site_log = folder / ".tessera" / "site.log"
        wait_until(lambda: "join: connected" in site_log.read_text(), 240, "it joins")
        minutes = sum(seconds for _, seconds in it.typed) / 60

        n_to_a_service = len(it.typed)
        back_to_nothing(it)
        told = [f"{seconds:6.1f} s  {line}" for line, seconds in it.typed]
        sys.stdout.write("\n".join(["", *told, f"{minutes:.1f} minutes to a service that runs", ""]))
        assert everything(there) - before == set()
        assert before - everything(there) == set()
        assert (n_to_a_service, len(it.typed) - n_to_a_service) == (8, 4)
    finally:
        there.end()
        machine.end_all()


def to_a_service(machine: Machine, it: NewUser) -> None:
    it.type_in(f"sh {HOUSE}/install.sh /opt/tessera")
    it.type_in(f"{PROGRAM} init {SITE} --name site_1 --address localhost:{machine.ports[0]}", KEEPER)
    machine.type_in(
        "server", "enrol", machine.study.folder, "site_1", "--key", machine.folder / "site_1/.tessera/node.pub"
    )
    machine.open()
    site_yaml = machine.folder / "site_1" / "site.yaml"  # the port is for this machine alone, which others use as well
    site_yaml.write_text(site_yaml.read_text().replace("local_port: 9094", f"local_port: {machine.ports[2]}"))
    it.type_in(f"sh -c 'cp {FOR_SITES}/* {SITE}'", KEEPER)
    approved = it.type_in(f"{PROGRAM} trust {SITE} --from-checkout", KEEPER)
    if digest_of_checkout() not in approved:
        pytest.skip("dist/wheelhouse has other code: make wheelhouse")
    it.type_in(f"{PROGRAM} check {SITE} --federation {SITE}/federation.yaml", KEEPER)
    it.type_in(f"{PROGRAM} service install {SITE}")
    it.type_in(f"{PROGRAM} service status {SITE}")
    it.type_in(f"{PROGRAM} status {SITE} || true", KEEPER)  # until it is connected its exit code is 1


def back_to_nothing(it: NewUser) -> None:
    it.type_in(f"{PROGRAM} service remove {SITE}")
    it.type_in(f"{PROGRAM} leave {SITE} --erase", KEEPER)
    it.type_in(f"sh -c 'cd {SITE} && rm -r .tessera $(ls {FOR_SITES})'", KEEPER)
    it.type_in("rm -r /opt/tessera")
