"""What a head of an audit log may be, at its very limits, and whose signature under a statement counts."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strategies.audit.statements import ENTRY, HEAD, Head, Receipt, is_signed_by_site, signed_by_site

ROOT = "ab" * 32


@pytest.mark.parametrize("size", [1, 2**40])
def test_a_log_has_from_one_entry_to_2_to_the_40(size):
    assert Head(size, ROOT).size == size


@pytest.mark.parametrize("size", [0, 2**40 + 1, True, 7.0])
def test_any_other_number_of_entries_is_refused(size):
    with pytest.raises(ValueError, match="the number of entries of an audit log must be a whole number above 0"):
        Head(size, ROOT)


@pytest.mark.parametrize("root", [ROOT[:-2], ROOT + "ab", " " * 64])
def test_a_root_is_a_hash_of_32_bytes(root):
    with pytest.raises(ValueError, match="the root of an audit log must be 64 hexadecimal digits"):
        Head(3, root)


def test_a_sites_signature_counts_under_its_own_statement_of_its_own_kind_only():
    key, values = generate_private_key(SECP384R1()), Head(3, ROOT).of("st_anna")
    signature = signed_by_site(HEAD, values, key)
    assert is_signed_by_site(HEAD, values, signature, key.public_key())
    assert not is_signed_by_site(ENTRY, values, signature, key.public_key())
    assert not is_signed_by_site(HEAD, values | {"size": 4}, signature, key.public_key())
    assert not is_signed_by_site(HEAD, values, signature, generate_private_key(SECP384R1()).public_key())


@pytest.mark.parametrize("signature", ["", "AAAA", "no base64", "é"])
def test_what_is_no_signature_counts_for_nothing(signature):
    receipt = Receipt("st_anna", 3, ROOT, "2026-11-28T14:52:57+00:00", signature, signature)
    assert not receipt.is_from_site(generate_private_key(SECP384R1()).public_key())
    assert not receipt.is_countersigned(Ed25519PrivateKey.generate().public_key())


def test_a_receipt_is_countersigned_by_one_release_key_and_as_it_was():
    key = Ed25519PrivateKey.generate()
    receipt = Receipt("st_anna", 3, ROOT, "2026-11-28T14:52:57+00:00", "AAAA").countersigned(key)
    assert receipt.is_countersigned(key.public_key())
    assert not receipt.is_countersigned(Ed25519PrivateKey.generate().public_key())
    later = Receipt("st_anna", 4, ROOT, receipt.time, receipt.by_site, receipt.signature)
    assert not later.is_countersigned(key.public_key())
