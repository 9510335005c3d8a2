"""What a run's server told this node of the study, as its context keeps it."""

from flwr.app import ConfigRecord, Context

from client.study.session import SETTINGS, federation_of
from modalities.core.settings.federation import Federation
from strategies.wire import record_of

SITE = "site"
"""Key of the context: what the site calls itself."""


def settled_federation(context: Context) -> Federation | None:
    """The settings that this node was sent in this run; None if it was sent none, as after a restart."""
    if SETTINGS not in context.state:
        return None
    return federation_of(str(record_of(context.state, SETTINGS, ConfigRecord)["federation"]))
