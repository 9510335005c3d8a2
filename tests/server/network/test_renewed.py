"""A server shows a certificate that was renewed while it ran, and never half a pair."""

import datetime
import socket
import ssl

import pytest
from cryptography import x509

from server.coordinator.commands import _gate
from server.coordinator.folder import init_study
from server.coordinator.renewal import renew_certificate
from tests.deployment.machine import wait_until
from tests.deployment.ports import free_ports, is_open

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def study(tmp_path):
    return init_study(tmp_path / "study", ["localhost"], "builtin")


@pytest.fixture
def port(study):
    """Of the built-in gateway."""
    (port,) = free_ports(1)
    text = study.settings_file.read_text()
    study.settings_file.write_text(text.replace("public_port: 9443", f"public_port: {port}"))
    with _gate(study, study.settings()):
        wait_until(lambda: is_open(port), 20, "it listens", 0.02)
        yield port


def shown(study, port, name="localhost"):
    """The serial number of the certificate that a client is shown, which checks it, with and without a name."""
    context = ssl.create_default_context(cafile=str(study.tls.authority))
    context.check_hostname = name is not None
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"404" in connection.recv(1000)
        return x509.load_der_x509_certificate(connection.getpeercert(True)).serial_number


def serial(study):
    return x509.load_pem_x509_certificate(study.tls.certificate.read_bytes()).serial_number


@pytest.mark.parametrize("name", ["localhost", None])
def test_a_renewed_certificate_is_shown_from_the_next_connection_on(study, port, name):
    first = serial(study)
    assert shown(study, port, name) == first
    renew_certificate(study, [], NOW)
    assert serial(study) != first
    assert shown(study, port, name) == serial(study)


def test_half_a_renewal_leaves_the_certificate_that_was_there(study, port):
    first = shown(study, port)
    key, certificate = study.tls.key.read_bytes(), study.tls.certificate.read_bytes()
    renew_certificate(study, [], NOW)
    new = study.tls.key.read_bytes()
    study.tls.key.write_bytes(key)
    assert shown(study, port) == first  # the certificate is new, its key is not there yet
    study.tls.certificate.write_bytes(b"half")
    assert shown(study, port) == first
    study.tls.certificate.write_bytes(certificate)
    study.tls.key.write_bytes(new)
    assert shown(study, port) == first
    study.tls.certificate.unlink()
    assert shown(study, port) == first
