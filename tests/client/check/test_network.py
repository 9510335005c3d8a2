"""The way to the coordinator: what can stand in it, each told from the others, on real sockets with real TLS."""

import datetime
from socket import create_server
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from client.check import network
from client.check.network import FLEET_ROUTE, reach_problems
from modalities.core.problems import Problem
from server.network.certificates import SERVER_DAYS
from server.network.gateway import FLEET_ROUTES
from tests.client.check.gateways import NOW, certificates, gateway, proxy, serving

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return certificates(tmp_path_factory.mktemp("study"))


def only_error(found: list[Problem]) -> Problem:
    (error,) = found
    assert (error.level, error.file, error.where) == ("error", "site.yaml", "coordinator.address")
    return error


def said(found: list[Problem], level: str) -> list[str]:
    return [finding.what for finding in found if finding.level == level]


def test_a_gateway_is_reached_and_hears_two_empty_requests_with_nothing_of_the_site(tls):
    with gateway(tls) as server:
        found = reach_problems(server.address, tls.authority)
    day = (NOW + datetime.timedelta(days=SERVER_DAYS)).strftime("%Y-%m-%d")
    assert found[0].what == f"{server.address} is reached: TLSv1.3, certificate of the study's authority until {day}"
    assert [finding.level for finding in found] == ["note", "note"]
    assert found[1].what.startswith("clock: less than ")
    assert [(line, body) for line, _, body in server.received] == [
        (f"POST {FLEET_ROUTE} HTTP/1.1", b""),
        ("GET / HTTP/1.1", b""),
    ]
    sent = {name.lower() for _, headers, _ in server.received for name in headers}
    assert sent <= {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length"}
    assert FLEET_ROUTE in FLEET_ROUTES


@pytest.mark.parametrize(
    ("answers", "warning"),
    [
        ({"fleet": 503}, "answers, but the study's server behind it does not run (503)"),
        ({"root": 200}, f"is not the study's gateway (/ gives 200, {FLEET_ROUTE} gives 415)"),
        ({"fleet": 404}, f"is not the study's gateway (/ gives 404, {FLEET_ROUTE} gives 404)"),
    ],
)
def test_what_answers_otherwise_than_a_gateway_is_warned_of(tls, answers, warning):
    with gateway(tls, **answers) as server:
        (found,) = said(reach_problems(server.address, tls.authority), "warning")
    assert warning in found


@pytest.mark.parametrize(
    ("ahead", "level", "what"),
    [
        (-60.0, "error", "this machine's clock is 60 s ahead of the gateway's"),
        (60.0, "warning", "this machine's clock is 60 s behind the gateway's"),
        (400.0, "error", "this machine's clock is 400 s behind the gateway's"),
    ],
)
def test_a_clock_is_held_against_the_gateways(tls, ahead, level, what):
    with gateway(tls, ahead=ahead) as server:
        found = reach_problems(server.address, tls.authority)
    (clock,) = [finding for finding in found if "clock" in finding.what]
    seconds = abs(ahead)
    told = [what.replace(f"{seconds:.0f} s", f"{seconds + off:.0f} s") for off in (-1, 0, 1)]
    assert clock.level == level
    assert clock.what.startswith(tuple(told))
    assert clock.remedy == "set the clock, and keep it right with NTP"


def test_a_name_that_nobody_knows_and_a_port_where_nobody_listens(tls):
    unknown = only_error(reach_problems("no-such-host.invalid:9443", tls.authority))
    assert unknown.what == "no such name: no-such-host.invalid"
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    refused = only_error(reach_problems(f"localhost:{port}", tls.authority))
    assert refused.what == f"localhost:{port} refuses the connection: nothing listens there"
    assert f"allow outbound TCP from this machine to localhost:{port}; nothing inbound" in refused.remedy


def test_silence_gives_the_firewall_line(tls, monkeypatch):
    monkeypatch.setattr(network, "TIMEOUT_S", 0.2)
    with create_server(("127.0.0.1", 0)) as silent:
        address = f"localhost:{silent.getsockname()[1]}"
        error = only_error(reach_problems(address, tls.authority))
    assert "does not answer within" in error.what
    assert f"ask IT for this firewall line: allow outbound TCP from this machine to {address}" in error.remedy


def test_what_speaks_no_tls_is_told(tls):
    with gateway(None) as server:
        error = only_error(reach_problems(server.address, tls.authority))
    assert f"what answers at {server.address} does not speak TLS" in error.what


def test_a_connection_that_is_cut_is_told(tls):
    class Cut(BaseRequestHandler):
        def handle(self):
            self.request.recv(64)

    with serving(ThreadingTCPServer(("127.0.0.1", 0), Cut)) as server:
        error = only_error(reach_problems(f"localhost:{server.server_address[1]}", tls.authority))
    assert "breaks the connection off" in error.what or "does not speak TLS" in error.what


def inspector(folder, tls, issuer):
    """What a box that opens TLS presents: the gateway's names, signed by an authority of its own."""
    made = certificates(folder)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])
    shown = x509.load_pem_x509_certificate(tls.certificate.read_bytes())
    key = load_pem_private_key(made.key.read_bytes(), None)
    builder = x509.CertificateBuilder().subject_name(shown.subject).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(5)
        .not_valid_before(NOW - datetime.timedelta(1))
        .not_valid_after(shown.not_valid_after_utc)
    )
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    signed = builder.add_extension(names, False).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    made.certificate.write_bytes(signed.public_bytes(Encoding.PEM))
    return made


def test_somebody_who_opens_tls_in_between_is_named_and_can_be_shown_to_it(tls, tmp_path):
    with gateway(inspector(tmp_path, tls, "Contoso Inspection CA")) as server:
        error = only_error(reach_problems(server.address, tls.authority))
    assert error.what == (
        f"somebody in between opens TLS: {server.address} presents a certificate of issuer 'Contoso Inspection CA', "
        "not of 'Tessera study authority'"
    )
    assert f"ask IT to exempt {server.address} from TLS inspection" in error.remedy


@pytest.mark.parametrize(
    ("issuer", "what"),
    [
        ("Tessera lung authority", "is another study's: its certificate is of 'Tessera lung authority', and this site"),
        ("Tessera study authority", "presents a certificate of another authority with the same name"),
    ],
)
def test_another_study_is_not_taken_for_somebody_in_between(tls, tmp_path, issuer, what):
    with gateway(inspector(tmp_path, tls, issuer)) as server:
        assert what in only_error(reach_problems(server.address, tls.authority)).what


@pytest.mark.parametrize(
    ("names", "days", "what"),
    [
        (["localhost"], -SERVER_DAYS - 30, "the gateway's certificate ended on "),
        (["localhost"], 30, "the gateway's certificate is valid from "),
        (
            ["fed.example.org", "192.0.2.7"],
            0,
            "the gateway's certificate is for fed.example.org, 192.0.2.7, not for localhost",
        ),
    ],
)
def test_a_certificate_of_the_study_that_does_not_fit_is_told_from_a_foreign_one(tmp_path, names, days, what):
    made = certificates(tmp_path, names, NOW + datetime.timedelta(days=days))
    with gateway(made) as server:
        error = only_error(reach_problems(server.address, made.authority))
    assert error.what.startswith(what)
    assert ("clock" in error.what) == (days != 0)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_is_used_and_named_and_hears_the_address_alone(tls, monkeypatch, variable):
    with gateway(tls) as server, proxy(monkeypatch, variable=variable) as through:
        found = reach_problems(server.address, tls.authority)
    assert f"is reached through the proxy {through.name}: TLSv1.3" in found[0].what
    assert [finding.level for finding in found] == ["note", "note"]
    assert [request.splitlines()[0] for request in through.asked] == [f"CONNECT {server.address} HTTP/1.1"]


def test_no_proxy_goes_there_directly(tls, monkeypatch):
    with gateway(tls) as server, proxy(monkeypatch) as through:
        monkeypatch.setenv("NO_PROXY", "localhost")
        found = reach_problems(server.address, tls.authority)
    assert "proxy" not in found[0].what
    assert through.asked == []


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        ("407 Proxy Authentication Required", "it wants a name and a password: HTTPS_PROXY=http://NAME:PASSWORD@"),
        ("403 Forbidden", "ask IT to allow CONNECT to localhost:9443"),
        ("502 Bad Gateway", "ask IT whether the proxy itself reaches localhost:9443"),
    ],
)
def test_a_proxy_that_lets_nobody_through_says_so_and_its_password_is_not_shown(tls, monkeypatch, answer, remedy):
    with proxy(monkeypatch, answer, login="anna:s3cret@") as through:
        error = only_error(reach_problems("localhost:9443", tls.authority))
    assert (
        f"the proxy {through.name} (HTTPS_PROXY) does not let this machine through to localhost:9443: {answer}"
        in error.what
    )
    assert error.remedy.startswith(remedy)
    assert "s3cret" not in str(error)


def test_a_proxy_that_opens_tls_is_named_by_its_issuer_through_the_tunnel(tls, tmp_path, monkeypatch):
    with gateway(inspector(tmp_path, tls, "Contoso Inspection CA")) as server, proxy(monkeypatch):
        error = only_error(reach_problems(server.address, tls.authority))
    assert "issuer 'Contoso Inspection CA'" in error.what


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("http://no-such-proxy.invalid:8080", "no such name: no-such-proxy.invalid"),
        ("ftp://proxy:21", "HTTPS_PROXY or ALL_PROXY names a proxy that cannot be used: "),
    ],
)
def test_a_proxy_that_is_none_is_told(tls, monkeypatch, value, what):
    monkeypatch.setenv("HTTPS_PROXY", value)
    (error,) = reach_problems("localhost:9443", tls.authority)
    assert error.level == "error"
    assert error.what.startswith(what)
