"""An audit log of seven entries, what a coordinator countersigned of it, and ways to tamper with it."""

import json
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from client.audit.log import RECEIVED, SENT, append, head_at
from client.node.approval import approve
from client.node.home import Home
from client.node.keys import make_node_key, node_key
from strategies.audit.statements import ENTRY, HEAD, Receipt, canonical, signed_by_site

KEY = Ed25519PrivateKey.generate()
N_ENTRIES, CODE, STUDY, ROSTER = 7, "c" * 64, "5" * 64, "7" * 64
TIMES = {2: "2026-11-28T14:00:00+00:00", 4: "2026-11-28T14:20:00+00:00", 6: "2026-11-28T14:40:00+00:00"}
"""Size -> when it was countersigned."""
ABOUT = {"study": STUDY, "code": CODE, "run": 73}
MASKED = {
    "agreed": True,
    "coordinator": "fed.example.org:9443",
    "roster": ROSTER,
    "groups": [{"group": "cnv", "members": ["berg", "nordheim", "st_anna"], "plain_sha256": "b" * 64}],
    "smallest_group": 3,
    "epsilon": 0.25,
}


@dataclass
class Site:
    home: Home

    @property
    def lines(self):
        return self.home.audit.read_bytes().splitlines()

    def write(self, lines):
        self.home.audit.write_bytes(b"".join(line + b"\n" for line in lines))

    def resigned(self, number, **changes):
        """That entry with changes, as whoever has the node key can sign it."""
        entry = json.loads(self.lines[number - 1]) | changes
        del entry["signature"]
        return canonical(entry | {"signature": signed_by_site(ENTRY, entry, node_key(self.home.key))})

    def receipts(self):
        return [self.receipt(head_at(self.home, size), time) for size, time in TIMES.items()]

    def receipt(self, head, time):
        """Signed by the site, as it would be for its log at that size, and by the coordinator."""
        by_site = signed_by_site(HEAD, head.of("st_anna"), node_key(self.home.key))
        return Receipt("st_anna", head.size, head.root, time, by_site).countersigned(KEY)


def write_log(folder):
    """A site folder with its key, and its log: three messages with their replies, and one that is not answered yet."""
    home = Home(folder)
    home.folder.mkdir(parents=True)
    make_node_key(home.key, home.public_key, "st_anna")
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "release.pub").write_bytes(pem)
    (folder / "site.yaml").write_text("name: st_anna\ncoordinator: {address: 'fed.example.org:9443'}\n")
    approve(home, CODE, "typed", {})
    append(home, RECEIVED, {**ABOUT, "message": "query.capabilities", "holds": {"config.study": {}}})
    append(home, SENT, {**ABOUT, "message": "query.capabilities", "holds": {"metrics.cnv": {"num-examples": 17}}})
    for number in (1, 2):
        holds = {f"arrays.cnv@{number}": {"w": "float32[4, 60]"}, f"metrics.cnv@{number}": {"loss-sum": 2.5 * number}}
        train = {**ABOUT, "message": "train.branches"}
        append(home, RECEIVED, {**train, "holds": {"config.cnv": {"server-round": number}}})
        append(home, SENT, {**train, **MASKED, "holds": holds, "sha256": "d" * 64})
    odd = {"config.x": {"text": "<script>x</script>"}}
    append(home, RECEIVED, {**ABOUT, "message": "query.<b>odd</b>", "holds": odd})
    return Site(home)


@pytest.fixture
def site(tmp_path):
    return write_log(tmp_path / "st_anna")
