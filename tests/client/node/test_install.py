"""What install.sh does before it installs anything: it looks whether the folder is the one that was handed out."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import packaging
import pytest
from packaging.tags import sys_tags

from strategies.bundle import REPOSITORY

FILES = ("tessera-0123456789ab.tar.gz", "wheels/torch-2.0.0-cp311-cp311-any.whl", "constraints.txt", "README.txt")


@pytest.fixture
def house(tmp_path):
    """A wheelhouse whose files hold a word each."""
    folder = tmp_path / "wheelhouse"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    shutil.copy(REPOSITORY / "client" / "node" / "install.sh", folder)
    listed = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in listed]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


def said_by(house, target):
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": "no-such-python"}
    done = subprocess.run(["sh", house / "install.sh", target], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert not target.exists()
    return done.stdout + done.stderr


def test_a_whole_folder_passes_the_first_step(house, tmp_path):
    said = said_by(house, tmp_path / "t")
    assert "error: no-such-python is not there" in said
    assert "2/5" in said


@pytest.mark.parametrize(
    ("harm", "name"), [("changed", "install.sh"), *((harm, name) for harm in ("changed", "lost") for name in FILES)]
)
def test_a_file_that_was_changed_or_lost_on_the_way_ends_it(house, tmp_path, name, harm):
    path = house / name
    if harm == "lost":
        path.unlink()
    else:
        path.write_text(path.read_text() + "\n# more\n")
    said = said_by(house, tmp_path / "t")
    assert "error: this folder is damaged or incomplete: carry it over again" in said
    assert "2/5" not in said


def test_a_wheel_that_nobody_listed_is_not_among_those_to_install(house):
    (house / "wheels" / "evil-1.0-py3-none-any.whl").write_text("evil")
    lines = (house / "install.sh").read_text().splitlines()
    (chosen,) = [line for line in lines if line.startswith("wheels=$(")]
    done = subprocess.run(
        ["sh", "-c", f"{chosen}\necho $wheels"], cwd=house, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["wheels/torch-2.0.0-cp311-cp311-any.whl"]
    installs = [line for line in lines if "pip_install " in line]
    assert [line.split()[1] for line in installs] == ["$wheels", "--no-build-isolation"]


def test_every_user_can_read_what_root_installs_whatever_the_umask(house, tmp_path):
    (house / "wheels" / FILES[1].split("/")[1]).unlink()
    (house / f"wheels/torch-2.0.0-{next(sys_tags())}.whl").write_text("torch")
    with zipfile.ZipFile(house / "wheels" / "packaging-26.0-py3-none-any.whl", "w") as wheel:
        for file in Path(packaging.__file__).parent.rglob("*.py"):
            wheel.write(file, file.relative_to(Path(packaging.__file__).parents[1]))
    (tmp_path / "app.py").write_text("pass")
    (tmp_path / "app.py").chmod(0o644)  # as git archives it
    with tarfile.open(house / FILES[0], "w:gz") as source:
        source.add(tmp_path / "app.py", "tessera/client/app.py")
    listed = [path for path in house.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(house)}\n" for path in listed]
    (house / "SHA256SUMS").write_text("".join(lines))
    python = tmp_path / "python"  # the environment that it makes is not what this is about
    python.write_text(f'#!/bin/sh\n[ "$2" = venv ] && exit 3\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    target = tmp_path / "opt" / "tessera"
    done = subprocess.run(
        ["sh", "-c", f"umask 077; exec sh {house}/install.sh {target}"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(python)},
        capture_output=True,
        text=True,
    )
    assert "4/5" in done.stdout, done.stderr
    modes = {path: path.stat().st_mode & 0o777 for path in (target, target / "client", target / "client" / "app.py")}
    assert list(modes.values()) == [0o755, 0o755, 0o644]


@pytest.mark.slow
def test_the_trial_of_what_was_installed_leaves_nothing_in_tmp(tmp_path):
    script = (REPOSITORY / "client" / "node" / "install.sh").read_text()
    trial = script.partition('cd "$target"\n')[2].partition(".venv/bin/flower-supernode")[0]
    temporary, target = tmp_path / "tmp", tmp_path / "tessera"
    temporary.mkdir()
    target.mkdir()
    (target / ".venv").symlink_to(sys.prefix)
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(temporary), "PYTHONPATH": str(REPOSITORY)}
    words = ["sh", "-euc", trial]
    subprocess.run(words, cwd=target, env={**environment, "target": str(target)}, check=True, timeout=120)
    assert list(temporary.iterdir()) == []
