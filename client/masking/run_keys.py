"""This site's key for masked sums in a run, and those of its peers that it accepted."""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.app import ConfigRecord, Context

from client.masking.settled import SITE
from client.node.home import Home
from client.node.roster import approved_roster
from modalities.core.release.keyfiles import read_private, write_private
from modalities.core.settings.site import SITE_FILE, Policy, read_site_config
from strategies.masked_exchange.wire import adverts_from
from strategies.masking.keys import Advert, Run, Secrets, advertised, refused_adverts
from strategies.masking.roster import Roster
from strategies.wire import record_of

_KEY, _PEERS = "masks.key", "masks.peers"


def introduction(context: Context, home: Home | None, study: str, site: str) -> dict[str, bytes | str]:
    """What a site says at the handshake, besides its name: its key for the run, and which roster it approved.

    Raises:
        ValueError: a real site has approved no roster.
    """
    roster = _roster(home)
    run = Run(study, roster.digest if roster else "", str(context.run_id))
    advert = advertised(run, site, _private(context, home), _node_key(home) if home else None)
    words = {"key": advert.public, "node-key": advert.node_key, "signature": advert.signature}
    return {**words, "roster": run.roster}


def accept_peers(context: Context, home: Home | None, study: str, site: str, sent: ConfigRecord) -> None:
    """Keep the peers' keys for this run.

    Raises:
        ValueError: one is not vouched for by a node key of the roster that this site approved; or this site is not
            among them with its own key.
    """
    adverts, roster = adverts_from(sent), _roster(home)
    if roster is not None:
        run = Run(study, roster.digest, str(context.run_id))
        if wrong := refused_adverts(run, roster, adverts):
            raise ValueError(f"keys for masked sums that do not belong to the roster: {'; '.join(wrong)}")
    own = _private(context, home).public_key().public_bytes_raw()
    if {advert.site: advert.public for advert in adverts}.get(site) != own:
        raise ValueError("this site is not among the peers with the key that it sent")
    context.state[_PEERS] = _record(adverts)


def peers_of(context: Context) -> Mapping[str, bytes]:
    """Site -> X25519 public key, as accepted in this run; none before that."""
    if _PEERS not in context.state:
        return {}
    record = record_of(context.state, _PEERS, ConfigRecord)
    return dict(zip(record["sites"], record["keys"], strict=True))  # pyright: ignore


def secrets_for(context: Context, home: Home | None, run: Run, site: str, peers: Mapping[str, bytes]) -> Secrets:
    """What this site can mask and open with."""
    return Secrets(run, site, _private(context, home), peers)


def run_of(context: Context, home: Home | None, study: str) -> Run:
    """The run that this context is of."""
    roster = _roster(home)
    return Run(study, roster.digest if roster else "", str(context.run_id))


def _record(adverts: list[Advert]) -> ConfigRecord:
    return ConfigRecord({"sites": [a.site for a in adverts], "keys": [a.public for a in adverts]})


def _roster(home: Home | None) -> Roster | None:
    return approved_roster(home, read_site_config(home.site / SITE_FILE)) if home else None


def _private(context: Context, home: Home | None) -> X25519PrivateKey:
    """Made at first use; on a real site's disk, so that a restart in mid-round loses nothing."""
    if home is None:
        if _KEY not in context.state:
            context.state[_KEY] = ConfigRecord({"private": X25519PrivateKey.generate().private_bytes_raw()})
        return X25519PrivateKey.from_private_bytes(record_of(context.state, _KEY, ConfigRecord)["private"])  # pyright: ignore
    path = home.masks / f"{context.run_id}.key"
    if not path.is_file():
        home.masks.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, X25519PrivateKey.generate().private_bytes_raw())
    return X25519PrivateKey.from_private_bytes(read_private(path))


def _node_key(home: Home) -> ec.EllipticCurvePrivateKey:
    key = load_ssh_private_key(read_private(home.key), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{home.key}: a node key is EC P-384; make one with `tessera-client init`")
    return key


def name_and_policy(context: Context, home: Home | None) -> tuple[str, Policy]:
    if home is not None:
        config = read_site_config(home.site / SITE_FILE)
        return config.name, config.policy
    return str(record_of(context.state, SITE, ConfigRecord)["name"]), Policy()
