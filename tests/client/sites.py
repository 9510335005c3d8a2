"""The one site of an inline grid, simulated and as a hospital runs it."""

from flwr.app import ConfigRecord, Message, RecordDict

from client.app import app
from client.node.home import Home
from client.node.keys import make_node_key
from modalities.core.registry import plugin
from modalities.core.site.store import SiteData
from simulations.engines.inline import InlineGrid
from strategies.wire import to_record
from tests.support import FIRST_NODE, agree, small_federation

FEDERATION = small_federation()


class Site:
    """Talks to the one site of an inline grid."""

    def __init__(self, root):
        self.grid = InlineGrid(app, 1, {"site-root": str(root)})
        self.data = SiteData(root / "site_1", FEDERATION)

    def ask(self, message_type, **records):
        content = RecordDict({key.replace("__", "."): record for key, record in records.items()})
        return self.grid.send_and_receive([Message(content, FIRST_NODE, message_type)])[0]

    def introduced(self):
        return self.ask("query.capabilities", config__study=ConfigRecord({"federation": FEDERATION.to_json()}))

    def states(self):
        found = {}
        for name, config in FEDERATION.modalities.items():
            module = plugin(config.kind)
            cases = self.data.cases(name).select(self.data.training_cases(name))
            found[name] = module.finalise(module.sums(cases, config), config)
        return found

    def set_up(self):
        self.introduced()
        states = {f"arrays__{name}": to_record(state) for name, state in self.states().items()}
        holders = {f"config__{name}": ConfigRecord({"holders": 1}) for name in FEDERATION.modalities}
        settings = ConfigRecord({"federation": FEDERATION.to_json()})
        return self.ask("query.setup", config__study=settings, **holders, **states)

    def weights(self, name="cnv"):
        from modalities.core.blocks.branch import build_branch, weights_of

        return weights_of(build_branch(FEDERATION.modalities[name], self.states()[name], 4, 0))


class RealSite(Site):
    """Its node config names its folder, which has a node key and the settings that the site agreed to."""

    def __init__(self, root):
        super().__init__(root)
        self.home = Home(root / "site_1")
        agree(root, "site_1", FEDERATION)
        make_node_key(self.home.key, self.home.public_key, "site_1")
        self.context = self.grid._contexts[FIRST_NODE]
        self.context.node_config["site"], self.context.run_config = str(self.home.site), {}
