"""The coordinator countersigns heads that extend the ones before, and keeps for good what does not."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.audit.receipts import UNREADABLE, UNSIGNED, Receipts, read_book
from strategies.audit.statements import HEAD, Head, receipt_from, signed_by_site
from strategies.audit.tree import added, consistency, root

KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NODE = generate_private_key(SECP384R1())


class Log:
    """A site's log: only its tree."""

    def __init__(self, *entries):
        self._nodes = []
        self.size = 0
        for entry in entries:
            self.add(entry)

    def add(self, entry):
        self._nodes += added(self.size, entry, self._nodes.__getitem__)
        self.size += 1

    def sent(self, after=0, site="st_anna", key=NODE):
        head = Head(self.size, root(self.size, self._nodes.__getitem__).hex())
        proof = consistency(after, self.size, self._nodes.__getitem__) if 0 < after <= self.size else []
        texts = " ".join(each.hex() for each in proof)
        signature = signed_by_site(HEAD, head.of(site), key)
        return {"size": head.size, "root": head.root, "signature": signature, "proof": texts}


@pytest.fixture
def receipts(tmp_path):
    return Receipts(tmp_path / "audit.json", KEY, {"st_anna": NODE.public_key(), "stolp": NODE.public_key()})


def test_heads_that_extend_the_one_before_are_countersigned_and_kept(receipts, tmp_path):
    log = Log(b"1", b"2")
    assert receipts.take("st_anna", log.sent()) == ""
    for entry in (b"3", b"4", b"5"):
        log.add(entry)
    assert receipts.take("st_anna", log.sent(after=2)) == ""
    receipts.save()
    kept = read_book(tmp_path / "audit.json").last["st_anna"]
    assert (kept.size, kept.site) == (5, "st_anna")
    assert kept.is_countersigned(KEY.public_key())
    assert not kept.is_countersigned(OTHER_KEY.public_key())
    assert kept.is_from_site(NODE.public_key())
    moved = receipt_from(kept.to_dict() | {"site": "stolp"})
    assert not moved.is_countersigned(KEY.public_key())
    assert not moved.is_from_site(NODE.public_key())


@pytest.mark.parametrize("what", ["changed", "cut off", "as long", "without a proof"])
def test_a_head_that_does_not_extend_is_noted_once_and_both_are_kept(receipts, tmp_path, what):
    receipts.take("st_anna", Log(b"1", b"2", b"3").sent())
    others = {"changed": (b"1", b"x", b"3", b"4"), "cut off": (b"1", b"2"), "as long": (b"1", b"2", b"x")}
    log = Log(*others.get(what, (b"1", b"2", b"3", b"4")))
    sent = log.sent(after=0 if what == "without a proof" else 3)
    said = receipts.take("st_anna", sent)
    assert said.startswith(f"its audit log of {log.size} entries does not begin with the 3 that were countersigned on ")
    before = log.size
    log.add(b"5")
    assert receipts.take("st_anna", log.sent(after=before)) == ""
    receipts.save()
    book = read_book(tmp_path / "audit.json")
    assert [(each["had"]["size"], each["got"]["size"]) for each in book.breaks] == [(3, before)]
    assert book.breaks[0]["got"]["signature"] == sent["signature"]
    assert receipt_from(book.breaks[0]["had"]).is_countersigned(KEY.public_key())
    assert book.last["st_anna"].size == before + 1


def test_a_head_of_another_site_or_of_another_key_is_not_countersigned(receipts):
    log = Log(b"1", b"2")
    assert receipts.take("st_anna", log.sent(site="stolp")) == UNSIGNED
    assert receipts.take("st_anna", log.sent(key=generate_private_key(SECP384R1()))) == UNSIGNED
    assert receipts.last("st_anna") is None


@pytest.mark.parametrize(
    "change",
    [
        {"size": 0},
        {"size": -1},
        {"size": 2**41},
        {"size": True},
        {"size": 2.0},
        {"root": "ab"},
        {"root": "zz" * 32},
        {"root": 5},
        {"root": " " * 64 + "ab" * 32},
        {"proof": None, "size": "2"},
    ],
)
def test_whatever_a_site_sends_as_its_head_it_is_refused_in_words(receipts, change):
    assert receipts.take("st_anna", Log(b"1", b"2").sent() | change) == UNREADABLE


@pytest.mark.parametrize("proof", ["zz", "ab", "ab" * 32, "00" * 32 + " 00", "ab " * 100_000])
def test_a_proof_of_rubbish_proves_nothing(receipts, proof):
    receipts.take("st_anna", Log(b"1", b"2", b"3").sent())
    said = receipts.take("st_anna", Log(b"1", b"2", b"3", b"4").sent(after=3) | {"proof": proof})
    assert "does not begin with the 3" in said


def test_a_run_goes_on_from_the_heads_of_the_one_before(receipts, tmp_path):
    receipts.take("st_anna", Log(b"1", b"2", b"3").sent())
    receipts.save()
    later = Receipts(tmp_path / "audit.json", KEY, {"st_anna": NODE.public_key()})
    assert later.last("st_anna").size == 3
    assert "does not begin with the 3" in later.take("st_anna", Log(b"1", b"2").sent())


def test_a_site_is_shown_the_heads_of_the_others(receipts):
    receipts.take("st_anna", Log(b"1").sent())
    receipts.take("stolp", Log(b"1", b"2").sent(site="stolp"))
    assert [(each.site, each.size) for each in receipts.heads_for("st_anna")] == [("stolp", 2)]


@pytest.mark.parametrize("text", ["", "[]", '{"last": {"a": {}}, "breaks": []}', '{"last": 5}'])
def test_a_damaged_file_is_said_by_its_name(tmp_path, text):
    (tmp_path / "audit.json").write_text(text)
    with pytest.raises(ValueError, match=r"audit\.json: damaged: .*; move it away"):
        read_book(tmp_path / "audit.json")


def test_the_file_holds_no_more_than_heads(receipts, tmp_path):
    receipts.take("st_anna", Log(b"1").sent())
    receipts.save()
    kept = json.loads((tmp_path / "audit.json").read_text())
    assert kept["last"]["st_anna"].keys() == {"site", "size", "root", "time", "by_site", "signature"}
