"""What install.sh does before it installs anything: it looks whether the folder is the one that was handed out."""

import hashlib
import shutil
import subprocess

import pytest

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
