"""Where a node stands in a run: whose it is, and what the server told it of the study, as its context keeps it."""

from pathlib import Path

from flwr.app import ConfigRecord, Context

from client.node.home import Home
from client.study.session import SETTINGS, federation_of
from modalities.core.settings.federation import Federation
from strategies.wire import record_of


class NotSettledError(ValueError):
    """This node lacks what the server sent before in this run, as after a restart; it is sent again when asked for."""


def home_of(context: Context) -> Home | None:
    """Where a real site keeps what Tessera makes; None for a simulated one, which keeps things in its process."""
    return Home(Path(str(context.node_config["site"]))) if "site" in context.node_config else None


def settled_federation(context: Context) -> Federation | None:
    """The settings that this node was sent in this run; None if it was sent none, as after a restart."""
    if SETTINGS not in context.state:
        return None
    return federation_of(str(record_of(context.state, SETTINGS, ConfigRecord)["federation"]))
