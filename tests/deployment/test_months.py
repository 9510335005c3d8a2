"""A study that runs for months: its machine is lost, its address and its program's version change; its release not."""

import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.node.home import Home
from server.coordinator.folder import Study
from server.coordinator.runs import FLOWER_RUN
from server.state.status import read_status
from strategies.bundle import digest_of_checkout, staged_app, version_of_source
from tests.deployment.machine import NGINX, REPOSITORY, SITES, STUDY_S, Machine, wait_until
from tests.support import small_federation

ROUNDS = 6
FEDERATED = {"rounds": ROUNDS, "patience": 0}
FEDERATION = small_federation(
    fusion={"fit": "tune", "rounds": 2},
    privacy={"masking": "required"},
    modalities__cnv__federated=FEDERATED,
    modalities__hif__federated=FEDERATED,
)
HOLDINGS, N_CASES = ((("cnv", "hif"),) * 3), (29, 17, 23)
SOMEBODY_ELSE = 47113
AS_SOMEBODY_ELSE = """\
set -e
umask 022
if [ -n "{closed}" ]; then     # Python lies in a home that others cannot enter
    mkdir -p {home}/python
    mount --bind {prefix} {home}/python
    mount -t tmpfs -o mode=755 tmpfs {closed}
    mkdir -p {prefix}
    mount --bind {home}/python {prefix}
fi
exec setpriv --reuid={user} --regid={user} --clear-groups env HOME={home} PYTHONDONTWRITEBYTECODE=1 "$@"
"""
SIGNATURES = ("model.json", "model.json.sig", "release.pub")
"""Of a release of another key or program."""
pytestmark = [pytest.mark.faults, pytest.mark.timeout(2 * STUDY_S)]


def begun(folder: Path) -> Machine:
    """A masked study of three sites of which some rounds are done, and not all."""
    machine = Machine(folder)
    machine.set_up(FEDERATION, "nginx" if NGINX else "builtin", HOLDINGS, N_CASES)
    machine.open()
    machine.join()
    machine.start("run", "server", "run", machine.study.folder)
    wait_until(lambda: rounds_done(machine.study) >= 2, 300, "two rounds are done", 0.05)
    return machine


def rounds_done(study: Study) -> int:
    return min((own["done"] for own in read_status(study.run).get("rounds", {}).values()), default=0)


def files_in(release: Path) -> dict[str, bytes]:
    return {path.relative_to(release).as_posix(): path.read_bytes() for path in release.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A study that ended; in the middle of it a backup was made."""
    machine = begun(tmp_path_factory.mktemp("d"))
    try:
        to = machine.folder / "study.zip", machine.folder / "keys.zip"
        said = machine.type_in("server", "backup", machine.study.folder, "--to", to[0], "--keys-to", to[1])
        machine.log("backup").write_text(said)
        assert machine.started["run"].wait(2 * STUDY_S) == 0, machine.said("run")
        assert [note for note in read_status(machine.study.run)["notes"] if note["level"] == "refused"] == []
        yield machine
    finally:
        machine.end_all()


def test_everybody_on_other_machines_and_a_new_certificate_give_the_same_release(undisturbed):
    """Coordinator from its backup, sites moved, all as another user, at another address; renewed in mid-study."""
    machine, elsewhere = undisturbed, undisturbed.folder / "elsewhere"
    before = files_in(machine.study.run / "release")
    machine.end_all()
    machine.study.folder.rename(machine.folder / "lost")
    elsewhere.mkdir()
    machine.sites = Path(shutil.move(machine.sites, elsewhere))
    for path in (machine.folder, *machine.folder.parents):
        if not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    machine.user = as_somebody_else(elsewhere)
    backups = machine.folder / "study.zip", machine.folder / "keys.zip"
    for path in (elsewhere, *backups, machine.sites, *machine.sites.rglob("*")):
        os.chown(path, SOMEBODY_ELSE if machine.user else -1, -1)

    study = machine.study = Study(elsewhere / "brca")
    assert "release.key: not here" in machine.call("server", "restore", backups[0], "--to", study.folder)
    assert "not here" not in machine.call("server", "restore", backups[1], "--to", study.folder)
    done = rounds_done(study)
    assert done < ROUNDS - 2
    move_to(machine, "127.0.0.1", machine.ports[-1])
    machine.open()
    machine.join()
    resume = machine.start("resume", "server", "resume", study.folder)
    wait_until(lambda: rounds_done(study) > done, 300, "rounds go on")
    run = (study.run / FLOWER_RUN).read_text()
    renewed_without_a_stop(machine)
    assert resume.wait(2 * STUDY_S) == 0, machine.said("resume")
    assert (study.run / FLOWER_RUN).read_text() == run
    assert {path.stat().st_uid for path in study.folder.rglob("*")} == {SOMEBODY_ELSE if machine.user else os.getuid()}
    assert files_in(study.run / "release") == before
    erased_at_the_end(machine)


def erased_at_the_end(machine: Machine) -> None:
    """A site erases what it kept; its log is whole, and as the coordinator countersigned it."""
    site = machine.sites / SITES[0]
    data = {path: path.read_bytes() for path in site.rglob("*") if path.is_file() and ".tessera" not in path.parts}
    assert "erased: masks: " in machine.call("client", "leave", site, "--erase")
    kept = {"approved-roster.json", "approved.json", "audit.jsonl", "audit.tree", "join.lock", "node.key", "node.pub"}
    assert {path.name for path in Home(site).folder.iterdir()} == {*kept, "receipts.jsonl", "witnessed.jsonl"}
    assert "as the coordinator countersigned" in machine.call("client", "audit", site, "verify")
    assert {path: path.read_bytes() for path in data} == data


def renewed_without_a_stop(machine: Machine) -> None:
    """Gateway and SuperLink show a new certificate; nothing is started anew."""
    settings, names = machine.study.settings(), ("start", "nginx", *SITES)
    machine.call("server", "renew", machine.study.folder)
    if "nginx" in machine.started:
        reload = [*machine.user, NGINX, "-c", machine.study.nginx.resolve(), "-s", "reload"]
        subprocess.run([str(word) for word in reload], check=True)
    new = machine.study.tls.certificate.read_text()
    for port in (settings.public_port, settings.superlink_port):
        wait_until(lambda: ssl.get_server_certificate(("127.0.0.1", port)).split() == new.split(), 30, "it is shown")  # noqa: B023
    assert [name for name in names if name in machine.started and machine.started[name].poll() is not None] == []


def as_somebody_else(home: Path) -> list[str]:
    """What stands before a command of another user; nothing where this machine does not allow it."""
    prefix = Path(sys.base_prefix)
    closed = next((path for path in reversed(prefix.parents) if not path.stat().st_mode & 0o001), "")
    values = {"prefix": prefix, "closed": closed, "home": home, "user": SOMEBODY_ELSE}
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", AS_SOMEBODY_ELSE.format(**values), "sh"]
    if os.geteuid() or not all(map(shutil.which, ("setpriv", "unshare"))):
        return []
    tried = subprocess.run([*words, sys.executable, "-c", "import server.cli"], cwd=REPOSITORY, check=False)
    return words if tried.returncode == 0 else []


def move_to(machine: Machine, address: str, port: int) -> None:
    """The coordinator has another address and port, which its sites are told."""
    old = machine.ports[0]
    for path in (machine.study.settings_file, *(machine.sites / site / "site.yaml" for site in SITES)):
        text = path.read_text().replace(f"localhost:{old}", f"{address}:{port}").replace("address: localhost", "")
        path.write_text(text.replace(f"public_port: {old}", f"public_port: {port}\naddress: {address}"))


def test_a_study_goes_on_in_the_next_version_with_the_same_weights(undisturbed, tmp_path):
    machine = begun(tmp_path)
    try:
        machine.cut_the_power("run", "start", when=lambda: True, seconds=10, what="at once")
        machine.source = next_version(tmp_path / "next")
        machine.start("start", "server", "start", machine.study.folder)
        wait_until(lambda: "sites enrolled" in machine.said("start")[-500:], 150, "it is open again")
        resume = machine.start("resume", "server", "resume", machine.study.folder)
        code = digest_of_checkout(machine.source)
        for site in SITES:
            wait_until(lambda: code in machine.said(site), 200, f"{site} says that it was sent other code")  # noqa: B023
            assert f"refused: the coordinator sent the code {code}" in machine.said(site)
            assert rounds_done(machine.study) < ROUNDS
        for site in SITES:
            machine.started[site].terminate()
            machine.started[site].wait(60)
            machine.call("client", "trust", machine.sites / site, "--from-checkout")
        machine.join()
        assert resume.wait(2 * STUDY_S) == 0, machine.said("resume")
        found, before = (files_in(each.study.run / "release") for each in (machine, undisturbed))
        unlike = {name for name in {*found, *before} if found.get(name) != before.get(name)}
        assert unlike == {*SIGNATURES}
        models = [json.loads(files["model.json"]) for files in (found, before)]
        made_by = [model.pop("tessera") for model in models]
        assert models[0] == models[1]
        assert made_by[0] == {"version": "99.1.0", "code": code}
        assert made_by[1] == {"version": version_of_source(), "code": digest_of_checkout()}
    finally:
        machine.end_all()


def next_version(folder: Path) -> Path:
    """This source under another version number."""
    staged_app(REPOSITORY, folder)
    description = folder / "pyproject.toml"
    lines = description.read_text().splitlines()
    lines[next(n for n, line in enumerate(lines) if line.startswith("version = "))] = 'version = "99.1.0"'
    description.write_text("\n".join(lines) + "\n")
    return folder
