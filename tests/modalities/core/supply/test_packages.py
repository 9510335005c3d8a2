"""What is installed is told by content: a digest for each package, the same wherever the wheel is installed."""

import base64
import hashlib
import os
import subprocess
import sys
import venv
from zipfile import ZipFile

import pytest

from modalities.core.supply.packages import Package, contents, differences, installed, wheels


def make_wheel(folder, name, version="1.0", files=None, needs=(), about="License-Expression: MIT\n"):
    """A wheel that pip installs, by the format's specification."""
    files = files or {f"{name}.py": "x = 1\n"}
    info = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {line}\n" for line in needs)
    files |= {
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{about}{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:x\n",
    }
    lines = [f"{path},sha256={sha256(text)},{len(text)}" for path, text in files.items()]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        for file, text in (files | {f"{info}/RECORD": "\n".join([*lines, f"{info}/RECORD,,"])}).items():
            wheel.writestr(file, text)
    return path


def sha256(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def install(wheel, folder):
    """By the pip of this environment, into one of its own; what that sees there."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True, env={**os.environ, "PIP_CONFIG_FILE": "/dev/null"})
    site_packages = next((folder / "lib").iterdir()) / "site-packages"
    from importlib.metadata import PathDistribution

    return Package(PathDistribution(next(site_packages.glob("*.dist-info")))), site_packages


def test_a_package_has_the_digest_of_its_wheel_wherever_it_is_installed(tmp_path):
    wheel = make_wheel(tmp_path, "one")
    first, _ = install(wheel, tmp_path / "first")
    second, _ = install(wheel, tmp_path / "another place")
    other, _ = install(make_wheel(tmp_path, "one", files={"one.py": "x = 2\n"}), tmp_path / "other")
    assert (first.name, first.version, first.licence) == ("one", "1.0", "MIT")
    assert first.digest == second.digest
    assert first.digest != other.digest
    assert first.changed_files() == []


def test_a_file_that_was_changed_or_removed_since_is_named(tmp_path):
    package, folder = install(make_wheel(tmp_path, "one", files={"one.py": "x = 1\n", "two.py": ""}), tmp_path / "here")
    (folder / "one.py").write_text("x = 2\n")
    (folder / "two.py").unlink()
    assert sorted(package.changed_files()) == ["one.py", "two.py"]


def test_what_this_program_needs_is_found_with_what_that_needs_and_no_tool_of_developers():
    names = {package.name for package in installed()}
    assert {"torch", "flwr", "cryptography", "numpy", "python-dateutil", "grpcio", "timm", "openslide-bin"} <= names
    assert names.isdisjoint({"tessera", "ruff", "pytest", "pyright", "coverage"})
    assert all(package.digest for package in installed())
    assert installed("no-such-program") == ()


def test_differences_name_what_came_went_and_changed_and_nothing_else():
    before = {"a": "1 x", "b": "1 x", "c": "1 x", "d": "1 x"}
    now = {"a": "1 x", "b": "2 y", "c": "1 y", "e": "3 z"}
    assert differences(before, now) == [
        "b 1 -> 2",
        "c 1: other files under the same version",
        "d 1 -> none",
        "e none -> 3",
    ]
    assert differences(now, now) == []


@pytest.mark.parametrize(
    ("about", "licence"),
    [
        ("License-Expression: Apache-2.0 OR MIT\n", "Apache-2.0 OR MIT"),
        ("License: BSD\nClassifier: License :: OSI Approved :: BSD License\n", "BSD License"),
        ("License: The licence of One.\n  With many lines\n", "The licence of One."),
        ("", ""),
    ],
)
def test_a_licence_is_read_from_wherever_packages_say_it(about, licence, tmp_path):
    (package,) = wheels([make_wheel(tmp_path, "one", about=about)])
    assert package.licence == licence
    assert contents([package]) == {"one": f"1.0 {package.digest}"}
