"""Files that may be open run out: before a command begins, at a site, at the coordinator, at the gateway."""

import os
import re
import resource
import socket
import ssl
import sys
from contextlib import ExitStack, contextmanager, suppress

import pytest

from modalities.core.files.open_files import FEW, MANY, allow_open_files
from tests.deployment.machine import Machine, wait_until
from tests.deployment.ports import free_ports
from tests.faults.test_other_data import FEDERATION, SITES, RealGrid, sites
from tests.support import WatchedGrid, loses_what_was_missing, run_small, same_study, site_number

REMEDY = "let this user's programs have more files open (ulimit -n, or LimitNOFILE of the service)"


@contextmanager
def no_more_files():
    """This process can open no other."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class StarvingGrid(RealGrid):
    """The third site has no file left while it answers its first request to train."""

    def __init__(self, root):
        super().__init__(root)
        answer, starved = self.inner._answer, []

        def starving(message):
            if site_number(message) != len(SITES) or message.metadata.message_type != "train.branches" or starved:
                return answer(message)
            starved.append(message)
            with no_more_files():
                return answer(message)

        self.inner._answer = starving


def test_a_site_that_runs_out_misses_the_round_and_says_what_to_do(tmp_path, caplog):
    root = sites(tmp_path / "sites")
    study = run_small(root, FEDERATION, StarvingGrid(root))
    assert study.missing.rounds == {SITES[-1]: {"cnv": [1], "hif": [1]}}
    assert [note.text for note in study.notes] == ["the site reported a failure; its own log says more"]
    (said,) = [record.getMessage() for record in caplog.records if record.name == "tessera.client"]
    assert said.startswith("the request train.branches failed: [Errno 24] Too many open files: ")
    assert f"; {REMEDY}; " in said
    lost = WatchedGrid(root, loses=loses_what_was_missing(study.missing.rounds))
    assert same_study(study, run_small(root, FEDERATION, lost))


def test_a_coordinator_that_runs_out_ends_the_run_with_what_to_do_and_resume_goes_on(tmp_path):
    root, run = sites(tmp_path / "sites"), tmp_path / "run"
    whole, checkpoint = run_small(root, FEDERATION), run / "checkpoint.safetensors"
    run.mkdir()
    until = ExitStack()

    def starves(event):
        if event["phase"] == "branches":
            until.enter_context(no_more_files())

    said = "this disk does not take the study's progress (Too many open files)"
    kept = "then resume; every step that was finished before is kept"
    with until, pytest.raises(RuntimeError, match=re.escape(f"{said}: {REMEDY}, {kept}")):
        run_small(root, FEDERATION, checkpoint=checkpoint, status=run, report=starves)
    assert same_study(run_small(root, FEDERATION, checkpoint=checkpoint), whole)


def test_a_limit_that_can_be_raised_is_raised():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FEW - 1, before[1]))
        allow_open_files(FEW)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(before[1], 65536), before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
def test_start_join_and_check_say_that_the_limit_is_too_low(tmp_path):
    machine = Machine(tmp_path)
    machine.set_up(FEDERATION, "builtin", [("cnv", "hif")], [29], sites=1)
    machine.user = ["prlimit", "--nofile=200:200"]
    site = machine.sites / "site_1"
    for command, least in ((("server", "start", machine.study.folder), MANY), (("client", "join", site), FEW)):
        done = machine.run(*command)
        assert done.returncode == 1
        said = f"this user's programs may have 200 files open, connections among them, and {least:,} are wanted; raise "
        assert said in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
    assert said in " ".join(machine.run("client", "check", site, "--offline").stdout.split())


GATEWAY = """
import resource, sys, time
from pathlib import Path
from server.coordinator.commands import _gate
from server.coordinator.folder import Study
study = Study(Path(sys.argv[1]))
with _gate(study, study.settings()):
    time.sleep(5)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    print("few", flush=True)
    time.sleep(120)
"""


@pytest.mark.slow
def test_the_built_in_gateway_lets_connections_wait_and_takes_them_once_others_have_ended(tmp_path):
    machine = Machine(tmp_path)
    machine.type_in("server", "init", machine.study.folder, "--san", "localhost", "--gateway", "builtin")
    port = free_ports(1)[0]
    settings = machine.study.settings_file
    settings.write_text(settings.read_text().replace("public_port: 9443", f"public_port: {port}"))
    trusted = ssl.create_default_context(cafile=str(machine.study.tls.authority))
    try:
        gateway = machine.start_command("gateway", [sys.executable, "-c", GATEWAY, machine.study.folder])
        wait_until(lambda: "few" in machine.said("gateway"), 60, "it has few files")
        with ExitStack() as flood:
            for _ in range(60):
                flood.enter_context(socket.create_connection(("localhost", port)))
            assert not is_let_in(port, trusted)
        wait_until(lambda: is_let_in(port, trusted), 30, "a site is let in again")
        assert gateway.poll() is None
        assert "Traceback" not in machine.said("gateway")
    finally:
        machine.end_all()


def is_let_in(port, trusted):
    """Without a word from the other side, or where it ends the connection, it is not."""
    with (
        suppress(OSError),
        socket.create_connection(("localhost", port), 3) as plain,
        trusted.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        return bool(tls.version())
    return False
