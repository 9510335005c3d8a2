"""A site's keys for one run: an X25519 pair, vouched for by the node key that the roster knows."""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strategies.masking.roster import Roster, key_digest, read_public_key
from strategies.masking.streams import KEY_BYTES, derived

_SIGNED = b"tessera/secagg/v1"
_NONCE = bytes(12)


@dataclass(frozen=True)
class Run:
    """What a key is made for: it is worth nothing in another study, roster or run."""

    study: str
    """Digest of the settings."""
    roster: str
    """Digest of the roster; empty in a simulation, which has none."""
    number: str
    """Flower's run id."""

    def statement(self, site: str, public: bytes) -> bytes:
        """What a node key signs."""
        parts = (_SIGNED, self.study.encode(), self.roster.encode(), self.number.encode(), site.encode(), public)
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


@dataclass(frozen=True)
class Advert:
    """What a site tells its peers: its key for the run, and who says so."""

    site: str
    public: bytes
    """X25519, 32 bytes."""
    node_key: bytes = b""
    """EC P-384, DER; empty in a simulation."""
    signature: bytes = b""
    """By the node key: ECDSA with SHA-384."""


def advertised(run: Run, site: str, private: X25519PrivateKey, node_key: ec.EllipticCurvePrivateKey | None) -> Advert:
    """A site's advert, signed where it has a node key."""
    public = private.public_key().public_bytes_raw()
    if node_key is None:
        return Advert(site, public)
    signature = node_key.sign(run.statement(site, public), ec.ECDSA(hashes.SHA384()))
    return Advert(
        site, public, node_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), signature
    )


def refused_adverts(run: Run, roster: Roster, adverts: list[Advert]) -> list[str]:
    """What is wrong with the peers that a server presents; nothing if each is a site of the roster, with its key."""
    wrong, names = [], [advert.site for advert in adverts]
    for advert in adverts:
        expected = roster.sites.get(advert.site)
        if names.count(advert.site) > 1:
            wrong.append(f"{advert.site}: presented more than once")
        elif expected is None:
            wrong.append(f"{advert.site}: no site of the roster that this site approved")
        elif _digest(advert.node_key) != expected:
            wrong.append(f"{advert.site}: another node key than the roster's")
        elif not _is_signed(run, advert):
            wrong.append(f"{advert.site}: a key for this run that its node key did not sign")
    return sorted(set(wrong))


def _digest(node_key: bytes) -> str:
    try:
        return key_digest(node_key)
    except ValueError:
        return "no node key"


def _is_signed(run: Run, advert: Advert) -> bool:
    try:
        read_public_key(advert.node_key).verify(
            advert.signature, run.statement(advert.site, advert.public), ec.ECDSA(hashes.SHA384())
        )
    except InvalidSignature:
        return False
    return True


class Secrets:
    """What a site alone knows in a run, and what it shares with each of its peers."""

    def __init__(self, run: Run, site: str, private: X25519PrivateKey, peers: Mapping[str, bytes]) -> None:
        """`peers` is site -> X25519 public key, as this site accepted them; its own may be among them."""
        self.site, self._private, self.peers = site, private, dict(peers)
        self._run = run
        self._own = derived(private.private_bytes_raw(), b"own", *_words(run))
        self._agreed: dict[str, bytes] = {}

    def own_mask(self, label: bytes) -> bytes:
        """The seed of the mask that hides this site's vector even from those who know all pair seeds."""
        return derived(self._own, b"mask", label)

    def share_seed(self, label: bytes) -> bytes:
        """The seed of the polynomials that this site's secrets are shared with: the same at every repetition."""
        return derived(self._own, b"shares", label)

    def noise_seed(self, label: bytes) -> bytes:
        """The seed of the noise that goes into this site's vector: the same at every repetition."""
        return derived(self._own, b"noise", label)

    def pair_mask(self, peer: str, label: bytes) -> bytes:
        """The seed of the mask that this site adds and the peer takes away, or the other way round."""
        return derived(self._secret_with(peer), b"mask", label)

    def box(self, peer: str, label: bytes, content: bytes) -> bytes:
        """Sealed for the peer: the server, which carries it, cannot read or change it."""
        return AESGCM(self._box_key(self.site, peer, label)).encrypt(_NONCE, content, label)

    def unbox(self, peer: str, label: bytes, sealed: bytes) -> bytes:
        """What the peer sealed for this site.

        Raises:
            cryptography.exceptions.InvalidTag: it was changed, or is of another label.
        """
        return AESGCM(self._box_key(peer, self.site, label)).decrypt(_NONCE, sealed, label)

    def _box_key(self, sender: str, receiver: str, label: bytes) -> bytes:
        """One key for one message, so that its nonce may be fixed."""
        peer = receiver if sender == self.site else sender
        return derived(self._secret_with(peer), b"box", label, sender.encode(), receiver.encode())

    def _secret_with(self, peer: str) -> bytes:
        if peer not in self._agreed:
            point = self._private.exchange(X25519PublicKey.from_public_bytes(self.peers[peer]))
            info = b"\0".join((b"tessera/masking/v1/pair", *_words(self._run)))
            self._agreed[peer] = HKDF(hashes.SHA256(), KEY_BYTES, None, info).derive(point)
        return self._agreed[peer]


def _words(run: Run) -> tuple[bytes, bytes, bytes]:
    return run.study.encode(), run.roster.encode(), run.number.encode()
