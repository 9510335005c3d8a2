"""What a certificate that is not trusted says of who answers: somebody in between, another study, or a wrong name."""

import datetime
import re
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from modalities.core.problems import Problem

_EXPIRED, _NOT_YET, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 62, 64
"""X509_V_ERR_* of OpenSSL."""
_AUTHORITY = re.compile(r"Tessera .* authority")
_PLACE = {"file": "site.yaml", "where": "coordinator.address"}


def distrust(
    code: int, presented: x509.Certificate | None, authority: Path, address: str, now: datetime.datetime
) -> Problem:
    """Why the certificate presented at this address is not trusted, and what to do; `code` is OpenSSL's."""
    if presented is None:
        what = f"the certificate that {address} presents is not of this study's authority, and cannot be looked at"
        return Problem(what, "ask IT whether something opens TLS on the way", **_PLACE)
    clock = f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC"
    if code == _EXPIRED:
        what = f"the gateway's certificate ended on {presented.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, {clock}"
        remedy = "set the clock if it is wrong; otherwise the coordinator needs a new one (tessera-server init --san)"
        return Problem(what, remedy, **_PLACE)
    if code == _NOT_YET:
        what = (
            f"the gateway's certificate is valid from {presented.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on, {clock}"
        )
        return Problem(what, "set the clock, and keep it right with NTP", **_PLACE)
    if code in (_WRONG_NAME, _WRONG_ADDRESS):
        names = ", ".join(names_of(presented)) or "no name"
        what = f"the gateway's certificate is for {names}, not for {address.rpartition(':')[0]}"
        remedy = "use a name of the certificate as the address, or ask the coordinator to add yours (--san)"
        return Problem(what, remedy, **_PLACE)
    return _foreign(presented, authority, address)


def _foreign(presented: x509.Certificate, authority: Path, address: str) -> Problem:
    """Of an issuer that the site does not know."""
    trusted = x509.load_pem_x509_certificate(authority.read_bytes()).subject
    issuer, own = _name(presented.issuer), _name(trusted)
    if presented.issuer == trusted:
        what = f"{address} presents a certificate of another authority with the same name, {issuer!r}"
        remedy = f"ask the coordinator for the present {authority.name}, and compare its fingerprint over the telephone"
    elif _AUTHORITY.fullmatch(issuer):
        what = f"{address} is another study's: its certificate is of {issuer!r}, and this site trusts {own!r}"
        remedy = f"correct coordinator.address, or ask the coordinator for this study's {authority.name}"
    else:
        what = f"somebody in between opens TLS: {address} presents a certificate of issuer {issuer!r}, not of {own!r}"
        remedy = f"ask IT to exempt {address} from TLS inspection: this site trusts nobody else, and cannot join so"
    return Problem(what, remedy, **_PLACE)


def certificate_of(tls: Any) -> x509.Certificate | None:
    """The certificate that the other side presented; `tls` is the TLS object of a connection, of ssl or inside it."""
    encoded = tls.getpeercert(True)
    try:
        return x509.load_der_x509_certificate(encoded) if encoded else None
    except ValueError:
        return None


def names_of(certificate: x509.Certificate) -> list[str]:
    """The DNS names and addresses that it is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _name(subject: x509.Name) -> str:
    """Its common name, or all of it."""
    common = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else subject.rfc4514_string()
