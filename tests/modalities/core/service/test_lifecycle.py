"""What is put in place is taken away again, twice does no harm, and nothing is done without being said."""

import os
from pathlib import Path

import pytest

from modalities.core.service.lifecycle import Service, install, remove, stand
from modalities.core.service.machine import Machine, groups_of, refuse_unreadable
from modalities.core.service.unit import Unit

UNIT = Unit("tessera-a.service", "[Service]\nUser=tessera-a\n[X-Tessera]\nOwned=/srv/a\nOwner=12:34\n")
LATER = Unit("tessera-b.service", "[Service]\nUser=tessera-a\n", enabled=False)
CONFIGURATION = Path("/etc/tessera/a.conf")
SERVICE = Service([UNIT, LATER], ["tessera-a"], [("chown", "-R", "tessera-a", "/srv/a")], {CONFIGURATION: "x\n"})


def installed(root, service=SERVICE, **options):
    said = []
    machine = Machine(root, said.append)
    install(service, machine, **{"start": True, **options})
    return machine, said


def files_in(root):
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_below_a_folder_the_files_are_written_and_the_commands_left_are_named_in_order(tmp_path):
    machine, said = installed(tmp_path)
    assert files_in(tmp_path) == {
        "etc/systemd/system/tessera-a.service": UNIT.text,
        "etc/systemd/system/tessera-b.service": LATER.text,
        "etc/tessera/a.conf": "x\n",
    }
    assert [line.split()[0] for line in said] == ["wrote"] * 3
    assert [command.split()[0] for command in machine.left] == ["useradd", "chown", "systemctl", "systemctl"]
    assert machine.left[-1] == "systemctl enable --now tessera-a.service"  # the other is begun by a person


def test_the_users_of_services_may_read_what_is_written_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        installed(tmp_path)
    finally:
        os.umask(before)
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert {mode for name, mode in modes.items() if "." in name} == {0o644}
    assert {mode for name, mode in modes.items() if "." not in name} == {0o755}


def test_installing_once_more_changes_nothing_and_a_changed_unit_is_started_again(tmp_path):
    installed(tmp_path)
    before = files_in(tmp_path)
    machine, said = installed(tmp_path)
    assert files_in(tmp_path) == before
    assert all("is as it should be" in line for line in said)
    assert not [command for command in machine.left if "restart" in command]
    changed = Service([Unit(UNIT.name, UNIT.text + "#\n"), LATER], SERVICE.users, SERVICE.owned, SERVICE.files)
    assert installed(tmp_path, changed)[0].left[-1] == "systemctl try-restart tessera-a.service"
    other = Service(changed.units, SERVICE.users, SERVICE.owned, {CONFIGURATION: "y\n"})
    assert installed(tmp_path, other)[0].left[-1] == "systemctl try-restart tessera-a.service tessera-b.service"
    assert "enable" not in " ".join(installed(tmp_path, start=False)[0].left)


def test_removing_takes_all_away_with_what_was_changed_of_it_and_twice_does_no_harm(tmp_path):
    installed(tmp_path)
    (tmp_path / "etc/systemd/system/tessera-a.service.d").mkdir()
    (tmp_path / "etc/systemd/system/tessera-a.service.d/override.conf").write_text("[Service]\n")
    machine = Machine(tmp_path, print)
    assert remove([UNIT.name, LATER.name], [CONFIGURATION], machine)
    assert files_in(tmp_path) == {}
    assert not (tmp_path / "etc/tessera").exists()
    assert machine.left == [
        "systemctl disable --now tessera-a.service",
        "systemctl disable --now tessera-b.service",
        "systemctl daemon-reload",
        "chown -R 12:34 /srv/a",
        "userdel tessera-a",
    ]
    assert not remove([UNIT.name, LATER.name], [CONFIGURATION], Machine(tmp_path, print))


def test_a_user_stays_as_long_as_another_service_runs_as_it(tmp_path):
    installed(tmp_path)
    machine = Machine(tmp_path, print)
    remove([UNIT.name], [], machine)
    assert "userdel tessera-a" not in machine.left
    remove([LATER.name], [], machine)
    assert machine.left[-1] == "userdel tessera-a"


def test_how_a_unit_stands_below_a_folder_is_whether_it_is_written(tmp_path):
    machine, _ = installed(tmp_path)
    assert stand(UNIT.name, machine)[1] is False
    assert "is written; nothing runs below" in stand(UNIT.name, machine)[0]
    assert stand("tessera-c.service", machine) == ("tessera-c.service is not installed", False)


def test_without_systemd_the_way_without_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("modalities.core.service.machine._RUNS", tmp_path / "absent")
    with pytest.raises(ValueError, match="systemd does not run here; add --root /"):
        Machine(None, print)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ValueError, match="only root may do this; type it behind `sudo`"):
        Machine(None, print)


def test_a_command_that_fails_is_an_error_with_its_words(monkeypatch, tmp_path):
    monkeypatch.setattr("modalities.core.service.machine._RUNS", tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    said = []
    machine = Machine(None, said.append)
    machine.do("true")
    with pytest.raises(RuntimeError, match="chown x: chown: missing operand"):
        machine.do("chown", "x")
    assert said == ["true", "chown x"]


@pytest.mark.skipif("os.geteuid() != 0", reason="asks as another user, which root alone can")
def test_what_a_services_user_cannot_read_is_named_and_what_its_group_can_is_not(tmp_path):
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:3]:  # one more where tests run side by side
        folder.chmod(0o755)
    files = [tmp_path / name for name in ("for all", "for the group", "for nobody", ".tessera")]
    for file, mode in zip(files, (0o644, 0o640, 0o600, 0o600), strict=True):
        file.touch(mode)
        file.chmod(mode)
    os.chown(files[1], 0, 4)
    refuse_unreadable("nobody", [4], Path("/usr/bin/true"), files[:2])
    with pytest.raises(ValueError, match=r"nobody cannot read .*for nobody; let the folder's group read it") as found:
        refuse_unreadable("nobody", [4], Path("/usr/bin/true"), [tmp_path])
    assert "for the group" not in str(found.value)
    assert ".tessera" not in str(found.value)
    with pytest.raises(ValueError, match=r"nobody cannot run .*for nobody: Permission denied"):
        refuse_unreadable("nobody", [], files[2], [])
    assert groups_of(files) == {4: "adm"}
    os.chown(files[1], 0, 47112)
    with pytest.raises(ValueError, match="group 47112 has no name on this machine; give it one"):
        groups_of(files)
