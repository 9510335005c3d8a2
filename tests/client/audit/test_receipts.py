"""A site keeps what the coordinator countersigned of its log, and what it did of others'."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from client.audit.log import SENT, append, head_at
from client.audit.receipts import Receipts, kept_in
from client.node.home import Home
from client.node.keys import make_node_key, node_key
from modalities.core.settings.site import SiteConfig
from strategies.audit.statements import HEAD, Head, Receipt, is_signed_by_site, signed_by_site
from strategies.masking.roster import read_public_key

KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
TIME = "2026-11-28T14:52:57+00:00"


@pytest.fixture
def site(tmp_path):
    home = Home(tmp_path / "st_anna")
    home.folder.mkdir(parents=True)
    make_node_key(home.key, home.public_key, "st_anna")
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (home.site / "release.pub").write_bytes(pem)
    for number in range(7):
        append(home, SENT, {"what": number})
    return Receipts(home, SiteConfig(name="st_anna"))


def receipt(site, head, key=KEY):
    """Of this site's log."""
    by_site = signed_by_site(HEAD, head.of("st_anna"), node_key(site.home.key))
    return Receipt("st_anna", head.size, head.root, TIME, by_site).countersigned(key).to_dict()


def others(name, head, key=KEY):
    """Of another site's log, whose key this one does not know."""
    return Receipt(name, head.size, head.root, TIME, "AAAA").countersigned(key).to_dict()


def test_a_countersigned_head_is_kept_once_and_the_next_reply_proves_that_its_log_extends_it(site):
    came = receipt(site, head_at(site.home, 4))
    site.keep(came)
    site.keep(came)
    assert [kept.to_dict() for kept in kept_in(site.home.receipts)] == [came]
    sent = site.head(7, came)
    head = Head(sent["size"], sent["root"])
    assert head == head_at(site.home, 7)
    assert head.follows(head_at(site.home, 4), sent["proof"])
    key = read_public_key(site.home.public_key.read_bytes())
    assert is_signed_by_site(HEAD, head.of("st_anna"), sent["signature"], key)


def test_without_a_receipt_there_is_a_head_and_no_proof(site, caplog):
    site.keep({})
    assert site.head(7, {})["proof"] == ""
    assert not site.home.receipts.exists()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"signature": "AAAA"}, "is not signed by the key in release.pub; not kept"),
        ({"size": 5}, "is not signed by the key in release.pub; not kept"),
        ({"root": "x"}, "cannot be read, and is not kept: the root of an audit log must be"),
        ({"site": 7}, "cannot be read, and is not kept: a receipt holds size, site"),
        ({"time": "t" * 201}, "cannot be read, and is not kept: a receipt holds size, site"),
    ],
)
def test_what_is_no_receipt_of_the_coordinator_is_not_kept_and_is_said(site, caplog, change, said):
    site.keep(receipt(site, head_at(site.home, 4)) | change)
    assert said in caplog.text
    assert not site.home.receipts.exists()


def test_a_receipt_of_another_site_is_not_kept(site, caplog):
    site.keep(others("stolp", head_at(site.home, 4)))
    assert "a receipt for a head that is not of this site's audit log came; not kept" in caplog.text
    assert not site.home.receipts.exists()


def test_a_receipt_for_entries_that_this_site_never_signed_is_not_kept_and_blames_nobody(site, caplog):
    came = others("st_anna", Head(900, "ab" * 32))
    site.keep(came)
    assert site.head(7, came)["proof"] == ""
    assert "a receipt for a head that is not of this site's audit log came; not kept" in caplog.text
    assert "countersigned: tessera-client audit" not in caplog.text
    assert not site.home.receipts.exists()


@pytest.mark.parametrize("content", [None, "no key"])
def test_without_the_coordinators_key_nothing_is_kept_and_the_log_says_why(site, caplog, content):
    file = site.home.site / "release.pub"
    file.write_text(content) if content else file.unlink()
    came = receipt(site, head_at(site.home, 4))
    site.keep(came)
    assert "release.pub is not here, or is no key, so no receipt" in caplog.text
    assert not site.home.receipts.exists()
    assert site.head(7, came)["proof"]  # the coordinator can go on without


@pytest.mark.parametrize("earlier", [Head(9, "ab" * 32), Head(4, "ab" * 32)])
def test_a_site_whose_log_is_another_than_was_countersigned_sends_no_proof_and_is_told(site, caplog, earlier):
    came = receipt(site, earlier)
    site.keep(came)
    assert site.head(7, came)["proof"] == ""
    assert f"tessera-client audit {site.home.site} verify" in caplog.text
    assert caplog.records[-1].complaint
    assert len(kept_in(site.home.receipts)) == 1  # it is the evidence


def test_a_receipt_that_a_crash_broke_off_makes_way_for_the_next(site):
    site.keep(receipt(site, head_at(site.home, 2)))
    with site.home.receipts.open("ab") as file:
        file.write(b'{"root":"12')
    site.keep(receipt(site, head_at(site.home, 4)))
    assert [kept.size for kept in kept_in(site.home.receipts)] == [2, 4]


def witnessed(*receipts):
    return {"witnessed": json.dumps(receipts)}


def test_heads_of_other_sites_are_kept_where_the_coordinator_countersigned_them(site, caplog):
    stolp, berg = others("stolp", Head(3, "ab" * 32)), others("berg", Head(5, "cd" * 32))
    forged = others("nordheim", Head(5, "ef" * 32), OTHER_KEY)
    site.keep(witnessed(stolp, berg, forged, receipt(site, head_at(site.home, 2)), 5))
    site.keep(witnessed(stolp, berg))
    assert [kept.to_dict() for kept in kept_in(site.home.witnessed)] == [stolp, berg]
    assert "is not signed by the key" in caplog.text
    assert "shows another audit log" not in caplog.text


@pytest.mark.parametrize("later", [Head(2, "ab" * 32), Head(3, "cd" * 32)])
def test_a_head_that_goes_back_or_is_another_than_before_is_said_and_kept_too(site, caplog, later):
    site.keep(witnessed(others("stolp", Head(3, "ab" * 32))))
    site.keep(witnessed(others("stolp", later)))
    assert f"another audit log of stolp than before: {later.size} entries now, 3 on {TIME}" in caplog.text
    assert len(kept_in(site.home.witnessed)) == 2


@pytest.mark.parametrize("text", ["", "{", "5", '{"a": 1}'])
def test_whatever_else_comes_as_others_heads_is_said_and_not_kept(site, caplog, text):
    site.keep({"witnessed": text})
    assert "the heads of other sites' audit logs cannot be read" in caplog.text
