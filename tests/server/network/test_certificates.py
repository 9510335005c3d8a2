"""The study's own authority: what it signs is trusted by whoever has its certificate, for these names and this long."""

import datetime
import stat

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from modalities.core.release.signing import days_left
from server.network.certificates import (
    AUTHORITY_DAYS,
    SERVER_DAYS,
    Tls,
    issue_server_certificate,
    make_authority,
)

NOW = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)


@pytest.fixture
def tls(tmp_path):
    tls = Tls(tmp_path / "tls")
    make_authority(tls, "demo", NOW)
    issue_server_certificate(tls, ["fed.example.org", "192.0.2.7"], NOW)
    return tls


def verified(tls, name, at):
    authority = x509.load_pem_x509_certificate(tls.authority.read_bytes())
    found = x509.load_pem_x509_certificate(tls.certificate.read_bytes())
    verifier = PolicyBuilder().store(Store([authority])).time(at).build_server_verifier(x509.DNSName(name))
    return verifier.verify(found, [])


def test_the_server_is_trusted_under_its_names_only(tls):
    assert len(verified(tls, "fed.example.org", NOW)) == 2
    with pytest.raises(VerificationError, match="no matching subjectAltName"):
        verified(tls, "other.example.org", NOW)


def test_an_address_stands_in_the_certificate_as_one(tls):
    found = x509.load_pem_x509_certificate(tls.certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.7"]


def test_it_ends_after_its_days(tls):
    assert days_left(tls.certificate, NOW) == SERVER_DAYS
    assert days_left(tls.authority, NOW) == AUTHORITY_DAYS
    later = NOW + datetime.timedelta(days=SERVER_DAYS + 1)
    assert days_left(tls.certificate, later) < 0
    with pytest.raises(VerificationError, match="not valid at validation time"):
        verified(tls, "fed.example.org", later)


def test_what_the_authority_may_is_for_every_program_to_heed(tls):
    """Critical: a program that does not know a limit must refuse the certificate, not overlook the limit."""
    extensions = x509.load_pem_x509_certificate(tls.authority.read_bytes()).extensions
    for kind in (x509.BasicConstraints, x509.KeyUsage):
        assert extensions.get_extension_for_class(kind).critical
    basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (basic.ca, basic.path_length) == (True, 0)
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)


def test_keys_are_the_owners_alone(tls):
    for path in (tls.authority_key, tls.key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_certificate_replaces_the_old_and_the_authority_stays(tls):
    before, authority = tls.certificate.read_bytes(), tls.authority.read_bytes()
    issue_server_certificate(tls, ["fed.example.org"], NOW + datetime.timedelta(days=300))
    assert tls.certificate.read_bytes() != before
    assert tls.authority.read_bytes() == authority
    with pytest.raises(ValueError, match="there is a key already"):
        make_authority(tls, "demo", NOW)


def test_a_certificate_without_a_name_is_refused(tls):
    with pytest.raises(ValueError, match="give the address that sites connect to with --san"):
        issue_server_certificate(tls, [], NOW)
