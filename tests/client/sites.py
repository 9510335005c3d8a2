"""The one site of an inline grid as a hospital runs it."""

from client.node.home import Home
from client.node.keys import make_node_key
from tests.client.test_app import FEDERATION, Site
from tests.support import FIRST_NODE, agree


class RealSite(Site):
    """Its node config names its folder, which has a node key and the settings that the site agreed to."""

    def __init__(self, root):
        super().__init__(root)
        self.home = Home(root / "site_1")
        agree(root, "site_1", FEDERATION)
        make_node_key(self.home.key, self.home.public_key, "site_1")
        self.context = self.grid._contexts[FIRST_NODE]
        self.context.node_config["site"], self.context.run_config = str(self.home.site), {}
