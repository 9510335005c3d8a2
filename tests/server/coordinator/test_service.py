"""The coordinator's services: what their units say, and that systemd and nginx agree."""

import subprocess

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.coordinator.folder import init_study
from tests.deployment.machine import NGINX
from tests.units import hold_to_systemd

UNITS = "etc/systemd/system"


@pytest.fixture
def study(tmp_path):
    return init_study(tmp_path / "brca", ["localhost"], "nginx")


def service(*arguments):
    return CliRunner().invoke(app, ["service", *map(str, arguments)])


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
@pytest.mark.parametrize("port", [9443, 443])
def test_the_units_are_ones_that_systemd_takes_and_expose_little(study, tmp_path, port):
    settings = study.settings_file
    settings.write_text(settings.read_text().replace("public_port: 9443", f"public_port: {port}"))
    done = service("install", study.folder, "--root", tmp_path / "root")
    assert done.exit_code == 0, done.output
    assert len(hold_to_systemd(tmp_path / "root" / UNITS)) == 3
    gateway = (tmp_path / "root" / UNITS / "tessera-gateway-brca.service").read_text()
    assert ("CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in gateway) is (port < 1024)
    written = [
        (tmp_path / "root" / UNITS / f"tessera-{part}-brca.service").read_text() for part in ("coordinator", "run")
    ]
    assert all("IPAddressDeny=any" in text for text in written)
    assert all(f"InaccessiblePaths=-{study.tls.authority_key}\n" in text for text in written)


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_the_gateway_of_a_service_keeps_no_file_of_its_own_and_reads_what_systemd_hands_over(study, tmp_path):
    assert service("install", study.folder, "--root", tmp_path / "root", "--log-json").exit_code == 0
    text = (tmp_path / "root/etc/tessera/gateway-brca.conf").read_text()
    assert str(study.folder) not in text
    assert 'ssl_certificate_key "/run/credentials/tessera-gateway-brca.service/server.key";' in text
    assert text.count("syslog:server=unix:/dev/log") == 2
    handed, own = tmp_path / "handed", tmp_path / "own"
    study.tls.folder.rename(handed)
    own.mkdir()
    text = text.replace("/run/credentials/tessera-gateway-brca.service", str(handed))
    (tmp_path / "nginx.conf").write_text(text.replace("/run/tessera-gateway-brca", str(own)))
    tested = subprocess.run([NGINX, "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True)
    assert "test is successful" in tested.stderr, tested.stderr


def test_a_gateway_of_the_studys_own_takes_two_units_and_the_network(study, tmp_path):
    settings = study.settings_file
    settings.write_text(settings.read_text().replace("gateway: nginx", "gateway: builtin"))
    assert service("install", study.folder, "--root", tmp_path / "root").exit_code == 0
    assert len(hold_to_systemd(tmp_path / "root" / UNITS)) == 2
    assert "IPAddressDeny" not in (tmp_path / "root" / UNITS / "tessera-coordinator-brca.service").read_text()
    status = service("status", study.folder, "--root", tmp_path / "root")
    assert (status.exit_code, status.output.count("is written")) == (1, 2)


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_removing_takes_every_file_away(study, tmp_path):
    assert service("install", study.folder, "--root", tmp_path / "root").exit_code == 0
    done = service("remove", study.folder, "--root", tmp_path / "root")
    assert done.exit_code == 0
    assert not [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
    assert f"left to type: chown -R {study.folder.stat().st_uid}:" in done.output
    assert "no service of this study" in service("remove", study.folder, "--root", tmp_path / "root").output
