"""This site's key for masked sums in a run, and those of its peers that it accepted."""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flwr.app import ConfigRecord, Context

from client.node.home import Home
from client.node.keys import node_key
from client.node.roster import approved_roster
from client.study.kept import SITE
from modalities.core.keyfiles import read_private, write_private
from modalities.core.settings.site import SITE_FILE, SiteConfig, read_site_config
from strategies.masked_exchange.wire import adverts_from
from strategies.masking.keys import Run, Secrets, advertised, refused_adverts
from strategies.wire import record_of

_KEY, _PEERS = "masks.key", "masks.peers"


def site_of(context: Context, home: Home | None) -> SiteConfig:
    """What the site says of itself: site.yaml of a real one, of a simulated one its name."""
    if home is not None:
        return read_site_config(home.site / SITE_FILE)
    return SiteConfig(str(record_of(context.state, SITE, ConfigRecord)["name"]))


def run_of(context: Context, home: Home | None, config: SiteConfig, study: str) -> Run:
    """The run that this context is of.

    Raises:
        ValueError: a real site has approved no roster.
    """
    roster = approved_roster(home, config).digest if home else ""
    return Run(study, roster, str(context.run_id))


def introduction(context: Context, home: Home | None, config: SiteConfig, study: str) -> dict[str, bytes | str]:
    """What a site says at the handshake, besides its name: its key for the run, and which roster it approved.

    Raises:
        ValueError: a real site has approved no roster.
    """
    run = run_of(context, home, config, study)
    advert = advertised(run, config.name, _private(context, home), node_key(home.key) if home else None)
    words = {"key": advert.public, "node-key": advert.node_key, "signature": advert.signature}
    return {**words, "roster": run.roster}


def accept_peers(context: Context, home: Home | None, config: SiteConfig, study: str, sent: ConfigRecord) -> None:
    """Keep the peers' keys for this run.

    Raises:
        ValueError: one is not vouched for by a node key of the roster that this site approved; or this site is not
            among them with its own key.
    """
    adverts = adverts_from(sent)
    if home is not None:
        roster = approved_roster(home, config)
        if wrong := refused_adverts(Run(study, roster.digest, str(context.run_id)), roster, adverts):
            raise ValueError(f"keys for masked sums that do not belong to the roster: {'; '.join(wrong)}")
    keys = {advert.site: advert.public for advert in adverts}
    if keys.get(config.name) != _private(context, home).public_key().public_bytes_raw():
        raise ValueError("this site is not among the peers with the key that it sent")
    context.state[_PEERS] = ConfigRecord({"sites": list(keys), "keys": list(keys.values())})


def peers_of(context: Context) -> Mapping[str, bytes]:
    """Site -> X25519 public key, as accepted in this run; none before that."""
    if _PEERS not in context.state:
        return {}
    record = record_of(context.state, _PEERS, ConfigRecord)
    return dict(zip(record["sites"], record["keys"], strict=True))  # pyright: ignore


def secrets_for(context: Context, home: Home | None, run: Run, site: str, peers: Mapping[str, bytes]) -> Secrets:
    """What this site can mask and open with."""
    return Secrets(run, site, _private(context, home), peers)


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
