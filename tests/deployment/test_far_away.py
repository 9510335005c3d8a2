"""Sites behind a slow and lossy network that has IPv6 alone, and whose machines know no letters but ASCII's.

The study takes longer, and is the same; whatever the umask, what is nobody else's business is read by nobody else.
"""

import os
import shutil
import socket
import stat
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest

from client.node.home import Home
from server.state.status import read_status
from tests.deployment.far_away import THERE, own_network
from tests.deployment.machine import NGINX, SITES, STUDY_S, Machine, wait_until
from tests.deployment.test_loopback import assert_as_inline
from tests.support import small_federation

ONE_WAY_S, LOST = 0.15, 0.02
CLASSES = ["Østrogen", "β-Typ", "普通", "d'Été; 4"]


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def with_other_letters(site):
    """Its cases, and the folder of one modality, have names that ASCII does not know."""
    for path in [path for path in site.rglob("*") if path.is_file() and ".tessera" not in path.parts]:
        text = path.read_text(encoding="utf-8").replace(f"{site.name}-case", "Fälle № ")
        path.write_text(text.replace("hif/table.csv", "Gewebe, gefärbt/table.csv"), encoding="utf-8")
    if (site / "hif").is_dir():
        (site / "hif").rename(site / "Gewebe, gefärbt")


@pytest.mark.faults
@pytest.mark.timeout(STUDY_S + 300)
@pytest.mark.skipif(shutil.which("ip") is None, reason="no `ip`: apt-get install iproute2")
def test_a_study_over_300_ms_with_lost_packets_no_ipv4_and_a_c_locale_ends_as_on_one_machine(tmp_path, monkeypatch):
    folder = tmp_path / "Städtisches Klinikum"
    folder.mkdir()
    monkeypatch.setenv("LC_ALL", "C")
    machine = Machine(folder)
    federation = small_federation(fusion={"fit": "tune", "rounds": 2}, task={"classes": CLASSES})
    with ExitStack() as around:
        try:
            around.enter_context(own_network())
        except OSError as error:
            pytest.skip(f"this machine lets this user have no network of its own: {error}")
        around.enter_context(umask(0o077))
        around.callback(machine.end_all)
        machine.start_command("between", [sys.executable, "-m", "tests.deployment.far_away", ONE_WAY_S, LOST])
        machine.set_up(federation, "nginx" if NGINX else "builtin")
        machine.type_in("server", "renew", machine.study.folder, "--san", THERE)
        for name in SITES:
            with_other_letters(machine.sites / name)
            settings = machine.sites / name / "site.yaml"
            settings.write_text(settings.read_text().replace("localhost:", f"[{THERE}]:"))
        machine.open()
        assert round_trip(machine.ports[0]) >= 2 * ONE_WAY_S
        with pytest.raises(OSError, match="unreachable"):
            socket.create_connection(("192.0.2.1", 9443), 5)  # no IPv4 but loopback
        machine.join()
        machine.log("run").write_text(machine.call("server", "run", machine.study.folder, timeout=STUDY_S))
        assert_as_inline(machine, machine.study.run / "release")
        assert [note for note in read_status(machine.study.run)["notes"] if note["level"] == "refused"] == []
        made = [machine.study.folder, machine.study.flower, *(Home(machine.sites / name).folder for name in SITES)]
        assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in made} == {0}


def round_trip(port: int) -> float:
    wait_until(lambda: is_reached(port), 30, "the far address is reached")
    began = time.monotonic()
    is_reached(port)
    return time.monotonic() - began


def is_reached(port: int) -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        probe.settimeout(10)
        return probe.connect_ex((THERE, port)) == 0
