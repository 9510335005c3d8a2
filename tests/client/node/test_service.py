"""A site's service: what its unit says, and that systemd agrees."""

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.node.home import Home
from client.node.supervisor import Node
from modalities.core.keyfiles import private_file, read_private
from modalities.core.settings.site import read_site_config
from tests.units import hold_to_systemd


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "st_anna"
    made = CliRunner().invoke(app, ["init", str(folder), "--name", "st_anna", "--address", "localhost:1"])
    assert made.exit_code == 0
    return folder


def service(*arguments):
    return CliRunner().invoke(app, ["service", *map(str, arguments)])


def unit_of(root):
    return (root / "etc/systemd/system/tessera-site-st_anna.service").read_text()


@pytest.mark.parametrize("options", [[], ["--gpu", "--memory", "24G", "--log-json", "--syslog", "/dev/log"]])
def test_the_unit_is_one_that_systemd_takes_and_exposes_little(site, tmp_path, options):
    done = service("install", site, "--root", tmp_path / "root", *options)
    assert done.exit_code == 0, done.output
    assert max(hold_to_systemd(tmp_path / "root/etc/systemd/system")) <= 1.9
    text = unit_of(tmp_path / "root")
    assert f"ReadOnlyPaths={site}\nReadWritePaths={site}/.tessera\n" in text
    assert ("PrivateDevices=yes" in text) is (not options)
    assert ("--log-json --syslog /dev/log\n" in text, "MemoryMax=24G" in text) == (bool(options), bool(options))


def test_installing_and_removing_leaves_nothing_and_status_says_which(site, tmp_path):
    root = tmp_path / "root"
    assert service("status", site, "--root", root).exit_code == 1
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    assert service("install", site, "--root", root).exit_code == 0
    assert "is written" in service("status", site, "--root", root).output
    assert "is as it should be" in service("install", site, "--root", root).output
    assert service("remove", site, "--root", root).exit_code == 0
    assert not [path for path in root.rglob("*") if path.is_file()]
    assert "not installed" in service("remove", site, "--root", root).output
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before


def test_a_site_without_a_key_or_with_an_odd_path_is_refused(site, tmp_path):
    odd = tmp_path / "st anna"
    site.rename(odd)
    assert "has other characters" in service("install", odd, "--root", tmp_path / "root").output.replace("\n", " ")
    odd.rename(site)
    Home(site).key.unlink()
    assert "no node key; make one" in service("install", site, "--root", tmp_path / "root").output.replace("\n", " ")
    assert not (tmp_path / "root").exists()


def test_a_service_reads_the_key_that_systemd_hands_over(site, tmp_path, monkeypatch):
    key = Home(site).key.read_bytes()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert private_file(Home(site).key) == Home(site).key  # nothing was handed over
    (tmp_path / "node.key").write_bytes(key)
    (tmp_path / "node.key").chmod(0o440)  # as systemd gives it to a service's user by an access list
    Home(site).key.write_bytes(b"")
    assert read_private(Home(site).key) == key
    command = Node(Home(site), read_site_config(site / "site.yaml")).command()
    assert command[command.index("--auth-supernode-private-key") + 1] == str(tmp_path / "node.key")
