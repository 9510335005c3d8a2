"""A new certificate for the server before the old one ends; the authority that the sites trust stays as it is."""

import datetime
from collections.abc import Sequence

from cryptography import x509

from modalities.core.release.signing import days_left
from server.coordinator.folder import LOOPBACK, Study
from server.network.certificates import SERVER_DAYS, Tls, issue_server_certificate

_WARNING_DAYS = 30


def renew_certificate(study: Study, names: Sequence[str], now: datetime.datetime) -> list[str]:
    """Issue it under these names, or those of the certificate that is there; all its names.

    Raises:
        ValueError: the authority's key is not here, or sites connect to a name that would not be in it.
    """
    address, tls = study.settings().address, study.tls
    if not tls.authority_key.is_file():
        raise ValueError(f"{tls.authority_key} is not here: bring the authority's key back for as long as this takes")
    if days_left(tls.authority, now) < SERVER_DAYS:
        raise ValueError(
            f"{tls.authority} ends in {days_left(tls.authority, now)} days, before a new certificate would: begin "
            "another study folder with `init`, and give the sites its ca.crt"
        )
    wanted = list(dict.fromkeys([*names, *LOOPBACK])) if names else names_in(tls)
    if address not in wanted:
        raise ValueError(
            f"sites connect to {address} (coordinator.yaml), which must be among the names: --san {address}"
        )
    issue_server_certificate(tls, wanted, now)
    return wanted


def names_in(tls: Tls) -> list[str]:
    """The DNS names and addresses of the server's certificate.

    Raises:
        ValueError: there is none that can be read.
    """
    try:
        certificate = x509.load_pem_x509_certificate(tls.certificate.read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise ValueError(f"{tls.certificate}: no certificate with names in it; give them with --san") from error
    return [str(name.value) for name in found if isinstance(name, x509.DNSName | x509.IPAddress)]


def has_ended(study: Study, now: datetime.datetime) -> str:
    """What to say of a certificate that has ended; empty for one that has not."""
    try:
        problem_of_certificate(study, now)
    except ValueError as error:
        return str(error)
    return ""


def problem_of_certificate(study: Study, now: datetime.datetime) -> str:
    """What to say of a certificate that ends soon; empty for one that does not.

    Raises:
        ValueError: it has ended, so that no site would connect.
    """
    days, path = days_left(study.tls.certificate, now), study.tls.certificate
    remedy = f"run `tessera-server renew {study.folder}`"
    if days < 0:
        raise ValueError(f"{path}: the server's certificate has ended, and no site would connect: {remedy}")
    return f"{path}: the server's certificate ends in {days} days: {remedy}" if days < _WARNING_DAYS else ""
