"""The coordinator's folder: what `tessera-server init` makes, and where everything in it is."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from modalities.core.fields import Count, Port, Positive, settings
from modalities.core.files.atomic import write_atomically
from modalities.core.files.place import Place
from modalities.core.keyfiles import line_fingerprint
from modalities.core.problems import Problem, check
from modalities.core.release.signing import make_release_key
from modalities.core.settings.site import problem_of_name
from modalities.core.settings.structured import structured
from modalities.core.settings.yaml_file import plain_in
from server.network.certificates import Tls, issue_server_certificate, make_authority
from server.network.gateway import nginx_configuration
from strategies.masking.roster import ROSTER_FILE

Gateway = Literal["nginx", "builtin"]
LOOPBACK = ("localhost", "127.0.0.1")


@settings
class Settings:
    """coordinator.yaml: how a study is run, as opposed to what it computes."""

    address: str = "localhost"
    """What sites connect to; a name in the server's certificate."""
    public_port: Port = 9443
    """The gateway's port, open to the sites."""
    superlink_port: Port = 9092
    """The SuperLink's port, on loopback only."""
    gateway: Gateway = "nginx"
    """`nginx`: started by you, with gateway/nginx.conf; `builtin`: within `tessera-server start`, for one machine."""
    sites: Count = 3
    """A run begins once this many sites are there."""
    wait_s: Positive = 600.0
    """Seconds to wait for them."""
    round_timeout_s: Positive = 600.0
    """Seconds that a site has for one message; what comes later is discarded."""

    def __post_init__(self) -> None:
        """Refuse two programs on one port."""
        if self.public_port == self.superlink_port:
            raise ValueError(f"public_port and superlink_port must differ, got {self.public_port} for both")


@dataclass(frozen=True)
class Study:
    """The folder of one study."""

    folder: Path

    federation = Place("federation.yaml")
    """What is computed."""
    settings_file = Place("coordinator.yaml")
    """How it is run."""

    @property
    def tls(self) -> Tls:
        """Certificates and their keys."""
        return Tls(self.folder / "tls")

    release_key = Place("keys", "release.key")
    """Signs releases; never leaves the coordinator."""
    release_public_key = Place("keys", "release.pub")
    """What sites check releases with."""
    sites = Place("sites")
    """The public key of each enrolled site."""
    rosters = Place("rosters")
    """Every roster that the study had, numbered: the one before goes on until enough sites approved the next."""
    roster = Place(ROSTER_FILE)
    """The digest of each enrolled site's key, which `roster` writes and every site approves."""
    nginx = Place("gateway", "nginx.conf")
    """The gateway's configuration."""
    flower = Place("flower")
    """Flower's own folder: connection, database, logs."""
    superlink_log = Place("flower", "superlink.log")
    """What the SuperLink, its runs and `start` said."""
    for_sites = Place("for-sites")
    """What every site is given."""
    run = Place("run")
    """Checkpoint and release."""

    def settings(self) -> Settings:
        """coordinator.yaml.

        Raises:
            ValueError: it is absent, or every problem in it.
        """
        if not self.settings_file.is_file():
            raise ValueError(f"{self.folder}: no coordinator.yaml; make the folder with `tessera-server init`")
        problems: list[Problem] = []
        found = structured(Settings, {}, plain_in(self.settings_file) or {}, "coordinator.yaml", problems)
        check(problems)
        return found


def init_study(folder: Path, names: Sequence[str], gateway: Gateway = "nginx") -> Study:
    """Make the folder of a new study: settings to fill in, certificates, release key, gateway.

    Raises:
        ValueError: the folder holds a study already.
    """
    study = Study(folder)
    if study.settings_file.exists() or study.tls.authority_key.exists():
        raise ValueError(f"{folder} holds a study already; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    settings = Settings(address=names[0] if names else "localhost", gateway=gateway)
    make_authority(study.tls, folder.resolve().name, now)
    issue_server_certificate(study.tls, list(dict.fromkeys([*names, *LOOPBACK])), now)
    make_release_key(study.release_key, study.release_public_key)
    study.sites.mkdir()
    study.settings_file.write_text(_commented(settings), encoding="utf-8")
    write_gateway(study)
    if not study.federation.exists():
        study.federation.write_text(_FEDERATION, encoding="utf-8")
    return study


def write_gateway(study: Study, *, log_json: bool = False) -> None:
    """gateway/nginx.conf for the ports in coordinator.yaml."""
    settings = study.settings()
    ports = settings.public_port, settings.superlink_port
    text = nginx_configuration(study.tls, *ports, study.nginx.parent, log_json=log_json)
    write_atomically(study.nginx, text.encode())


def enrol_site(study: Study, site: str, public: Path) -> str:
    """Keep a site's public key, which `start` registers; its fingerprint.

    Raises:
        ValueError: the name or the key is none, either is enrolled already, or the key was revoked.
    """
    check([problem_of_name(site)] if problem_of_name(site) else [])
    line = _public_line(public)
    if line.split()[1] in {path.read_text(encoding="ascii").split()[1] for path in _revoked(study).glob("*.pub")}:
        raise ValueError(
            f"{public}: this key was revoked, and opens nothing any more; the site moves .tessera/node.key and "
            "node.pub away and makes a new key with `tessera-client init`"
        )
    held = {path.stem: path.read_text(encoding="ascii").split()[1] for path in enrolled(study)}
    if site in held:
        raise ValueError(f"{site} is enrolled already; revoke it first: tessera-server revoke {study.folder} {site}")
    owner = next((name for name, key in held.items() if key == line.split()[1]), None)
    if owner is not None:
        raise ValueError(f"{public}: this is the key of {owner}; every site needs a key of its own")
    write_atomically(study.sites / f"{site}.pub", f"{line}\n".encode("ascii"))
    return line_fingerprint(line)


def revoke_site(study: Study, site: str) -> None:
    """Take a site's key back, for good: Flower takes no key twice; `register_enrolled` then shuts it out.

    Raises:
        ValueError: no such site is enrolled.
    """
    path = study.sites / f"{site}.pub"
    if path not in enrolled(study):
        names = ", ".join(own.stem for own in enrolled(study)) or "none"
        raise ValueError(f"{site} is not enrolled; enrolled are: {names}")
    _revoked(study).mkdir(exist_ok=True)
    number = len(list(_revoked(study).iterdir()))
    path.rename(_revoked(study) / f"{number:03d}-{site}.pub")


def enrolled(study: Study) -> list[Path]:
    """The public keys of the enrolled sites, by name."""
    return sorted(study.sites.glob("*.pub"))


def _revoked(study: Study) -> Path:
    return study.sites / "revoked"


def _public_line(path: Path) -> str:
    try:
        line = path.read_text(encoding="ascii").strip()
        key = load_ssh_public_key(line.encode())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(
            f"{path}: no public node key; it is the file node.pub that `tessera-client init` made"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp384r1":
        raise ValueError(f"{path}: a node key is EC P-384; make one with `tessera-client init`")
    return line


def _commented(settings: Settings) -> str:
    return f"""\
# How this study is run. `tessera-server start` reads it.
address: {settings.address}        # what sites connect to: a name in the server's certificate (init --san)
public_port: {settings.public_port}       # the gateway's port: the only one that the firewall lets in
superlink_port: {settings.superlink_port}    # Flower's SuperLink, on loopback only
gateway: {settings.gateway}          # nginx, or builtin: within `start`, for one machine
sites: {settings.sites}                # a run begins once this many sites are there
wait_s: {settings.wait_s:g}             # seconds to wait for them
round_timeout_s: {settings.round_timeout_s:g}    # seconds a site has for one message; what comes later is discarded
"""


_FEDERATION = """\
# What this study computes: docs/federation.md describes every setting. `tessera-server hand-out` checks it.
seed: 0
task:
  name: pam50
  classes: [LumA, LumB, Basal, Her2]
  names: {LumA: luminal A, LumB: luminal B, Basal: basal-like, Her2: HER2-enriched}   # in full, for clinicians
  label: label       # the column of cases.csv
  drop: [Normal]     # left out and counted; any other unknown label is an error
privacy:
  masking: required  # sites send masked vectors: the coordinator can open their sum only; off: it sees each site's
evaluation:
  margin: 0.01       # macro-AUROC that counts as no difference; agreed on before anybody knows a result
modalities:          # what the sites agreed on: features, or a JSON list of them in a file beside this one
  cnv:
    features_file: genes.json   # to be put beside this file: ["ERBB2", "ESR1", ...]
  clinical:
    inputs: ihc
"""
