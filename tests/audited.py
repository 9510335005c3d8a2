"""A coordinator that countersigns the heads of real sites' audit logs, over any grid."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from client.node.home import Home
from client.node.keys import make_node_key
from server.audit.grid import ReceiptGrid
from server.audit.receipts import Receipts
from strategies.masking.roster import read_public_key
from tests.support import FIRST_NODE, WatchedGrid, agree

KEY = Ed25519PrivateKey.generate()


def folders_of(root):
    return sorted(path.parent for path in root.glob("*/site.yaml"))


def hand_out_release_key(root):
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for folder in folders_of(root):
        (folder / "release.pub").write_bytes(pem)


def countersigning(root, grid):
    """Receipts around this grid, whose nodes are the sites below the root; they have node keys."""
    keys = {folder.name: read_public_key(Home(folder).public_key.read_bytes()) for folder in folders_of(root)}
    sites = {FIRST_NODE + number: folder.name for number, folder in enumerate(folders_of(root))}
    return ReceiptGrid(grid, Receipts(root / "audit.json", KEY, keys), sites)


def real_sites(root, federation):
    """A watched grid, in this process, whose nodes are real sites: with folder, node key and agreed settings."""
    watched = WatchedGrid(root, len(folders_of(root)))
    for number, folder in enumerate(folders_of(root)):
        context = watched.inner._contexts[FIRST_NODE + number]
        context.node_config["site"], context.run_config = str(folder), {}
        agree(root, folder.name, federation)
        make_node_key(Home(folder).key, Home(folder).public_key, folder.name)
    hand_out_release_key(root)
    return watched
