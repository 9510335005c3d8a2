"""Real sites under masks in one process: node keys, an approved roster, settings agreed to; and a server that lies."""

from collections.abc import Callable
from pathlib import Path

from flwr.app import Message, RecordDict

from client.node.complaints import complaints_of
from client.node.home import Home
from client.node.keys import make_node_key
from client.node.roster import approve_roster
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import read_site_config
from server.state.study import StudyState
from strategies.flower.messages import give_id
from strategies.masking.roster import Roster, key_digest, load_roster, write_roster
from tests.support import WatchedGrid, agree, run_small, write_sites

HOLDINGS = (("cnv", "hif"),) * 5
N_CASES = (29, 17, 23, 31, 19)


class MaskedSites:
    """Five sites, or as many as are held for."""

    def __init__(self, root: Path, federation: Federation, holdings=HOLDINGS, n_cases=N_CASES) -> None:
        self.root, self.federation = root, federation
        write_sites(root, federation, holdings, n_cases)
        self.names = [f"site_{number + 1}" for number in range(len(holdings))]
        for name in self.names:
            agree(root, name, federation)
            home = self.home(name)
            make_node_key(home.key, home.public_key, name)
        keys = {name: key_digest(self.home(name).public_key.read_bytes()) for name in self.names}
        self.roster = self.approve(Roster(keys, "study"), self.names)
        self.rosters = [self.roster]

    def approve(self, roster: Roster, names: list[str]) -> Roster:
        """These sites approve this roster."""
        for name in names:
            site = self.root / name
            write_roster(site / "roster.yaml", roster)
            settings = (site / "site.yaml").read_text()
            if "roster:" not in settings:
                (site / "site.yaml").write_text(settings.replace("{federation", "{roster: roster.yaml, federation"))
            digest = load_roster(site / "roster.yaml").digest
            approve_roster(self.home(name), read_site_config(site / "site.yaml"), digest)
        return roster

    def home(self, name: str) -> Home:
        return Home(self.root / name)

    def grid(self, alter: Callable[[Message], None] = lambda message: None, **options) -> "RealGrid":
        return RealGrid(self, alter, **options)

    def run(self, grid: "RealGrid | None" = None, **options) -> StudyState:
        return run_small(self.root, self.federation, grid or self.grid(), rosters=self.rosters, **options)

    def complaints(self, name: str) -> list[str]:
        return complaints_of(self.home(name))


class RealGrid(WatchedGrid):
    """Each node is a real site; `alter` sees every message before it is delivered, and may change it."""

    def __init__(self, sites: MaskedSites, alter: Callable[[Message], None], **options) -> None:
        super().__init__(sites.root, len(sites.names), **options)
        self._alter = alter
        for node_id, name in zip(self.inner.get_node_ids(), sites.names, strict=True):
            self.inner._contexts[node_id].node_config["site"] = str(sites.root / name)
            self.inner._contexts[node_id].run_config = {}

    def push_messages(self, messages):
        messages = list(messages)
        for message in messages:
            self._alter(message)
        return super().push_messages(messages)

    def send(self, asked: Message, content: RecordDict | None = None, message_type: str = "") -> Message:
        """Another message to the site that this one went to, past the server's own code."""
        kind = message_type or asked.metadata.message_type
        message = Message(RecordDict(dict(content or asked.content)), asked.metadata.dst_node_id, kind)
        give_id(message)
        self.inner.push_messages([message])
        return next(iter(self.inner.pull_messages([message.metadata.message_id])))
