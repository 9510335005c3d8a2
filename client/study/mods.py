"""What every message and every reply of a site passes, around the ClientApp: errors, packing, the site's own record."""

from collections.abc import Callable
from logging import getLogger
from pathlib import Path

from flwr.app import ConfigRecord, Context, Error, Message

from client.node.complaints import COMPLAINT, complaints_kept
from client.node.home import Home
from client.study.sent import list_as_sent
from client.study.session import SETTINGS, federation_of
from strategies.checks import NO_SETTINGS
from strategies.flower.messages import CLIENT_FAILED
from strategies.packing import is_packed, packed, unpacked
from strategies.wire import record_of

_LOG = getLogger("tessera.client")
ACCOUNTED = ("query.capabilities", "query.peers", "query.setup", "query.unmask", "train.branches")
"""What is answered in a study that keeps an epsilon: public numbers, and sums with noise."""


class NotSettledError(ValueError):
    """This node lacks what the server sent before in this run, as after a restart; it is sent again when asked for."""


def home_of(context: Context) -> Home | None:
    """Where a real site keeps what Tessera makes; None for a simulated one, which keeps things in its process."""
    return Home(Path(str(context.node_config["site"]))) if "site" in context.node_config else None


def without_exception_text(
    message: Message, context: Context, call_next: Callable[[Message, Context], Message]
) -> Message:
    """A mod that keeps exceptions inside the site: its log says what happened, the reply only that something did."""
    asked = message.metadata.message_type
    with complaints_kept(home_of(context)):
        try:
            return call_next(message, context)
        except NotSettledError as error:
            _LOG.warning("the request %s came too early: %s", asked, error)
            return Message(Error(code=NO_SETTINGS, reason="see the site's log"), reply_to=message)
        except Exception as error:
            told = "the server was told no more than that it did"
            _LOG.exception("the request %s failed: %s; %s", asked, error, told, extra=COMPLAINT)
            return Message(Error(code=CLIENT_FAILED, reason="see the site's log"), reply_to=message)


def as_it_was_asked(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
    """A mod that unpacks what came packed, and then packs the reply."""
    if not is_packed(message.content):
        return call_next(message, context)
    message.content = unpacked(message.content)
    reply = call_next(message, context)
    if reply.has_content():
        reply.content = packed(reply.content)
    return reply


def accounted_only(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
    """A mod that answers nothing that would tell of patients beside the releases that epsilon accounts for.

    Raises:
        ValueError: it was asked.
    """
    asked = message.metadata.message_type
    if asked not in ACCOUNTED and SETTINGS in context.state:
        text = str(record_of(context.state, SETTINGS, ConfigRecord)["federation"])
        if federation_of(text).privacy.epsilon:
            raise ValueError(f"{asked}: this study keeps an epsilon, which does not account for it; nothing was sent")
    return call_next(message, context)


def listed(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
    """A mod that lists what leaves a real site; what cannot be listed does not leave."""
    reply = call_next(message, context)
    home = home_of(context)
    if home is not None and reply.has_content():
        list_as_sent(home.site, message.metadata.message_type, reply.content)
    return reply
