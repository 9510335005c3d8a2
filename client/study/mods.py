"""What every message and every reply of a site passes, around the ClientApp: errors, packing, the site's own record."""

from collections.abc import Callable
from logging import getLogger
from pathlib import Path

from flwr.app import Context, Error, Message

from client.study.sent import list_as_sent
from strategies.checks import NO_SETTINGS
from strategies.flower.messages import CLIENT_FAILED
from strategies.packing import is_packed, packed, unpacked

_LOG = getLogger("tessera.client")


class NotSettledError(ValueError):
    """This node lacks what the server sent before in this run, as after a restart; it is sent again when asked for."""


def without_exception_text(
    message: Message, context: Context, call_next: Callable[[Message, Context], Message]
) -> Message:
    """A mod that keeps exceptions inside the site: its log says what happened, the reply only that something did."""
    try:
        return call_next(message, context)
    except NotSettledError as error:
        _LOG.warning("the request %s came too early: %s", message.metadata.message_type, error)
        return Message(Error(code=NO_SETTINGS, reason="see the site's log"), reply_to=message)
    except Exception as error:
        asked = message.metadata.message_type
        _LOG.exception("the request %s failed: %s; the server was told no more than that it did", asked, error)
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


def listed(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
    """A mod that lists what leaves a real site; what cannot be listed does not leave."""
    reply = call_next(message, context)
    if "site" in context.node_config and reply.has_content():
        list_as_sent(Path(str(context.node_config["site"])), message.metadata.message_type, reply.content)
    return reply
