"""What every message and every reply of a site passes, around the ClientApp: errors, packing, the site's audit log."""

from collections.abc import Callable
from contextlib import suppress
from logging import getLogger
from typing import Any

from flwr.app import ConfigRecord, Context, Error, Message, RecordDict

from client.audit.content import contents_of, digest_of_content
from client.audit.facts import gathered, tell
from client.audit.log import RECEIVED, SENT, append
from client.audit.receipts import Receipts
from client.node.complaints import COMPLAINT, complaints_kept
from client.node.home import Home
from client.study.session import SETTINGS, federation_of
from client.study.settled import NotSettledError, home_of, settled_federation
from modalities.core.problems import remedy_of
from modalities.core.settings.site import SITE_FILE, read_site_config
from strategies.audit.statements import AUDIT
from strategies.checks import NO_SETTINGS
from strategies.flower.messages import CLIENT_FAILED
from strategies.packing import is_packed, packed, unpacked
from strategies.wire import CONFIG, STUDY

_LOG = getLogger("tessera.client")
_TOLD = "the server was told no more than that it did"
ACCOUNTED = ("query.capabilities", "query.peers", "query.setup", "query.unmask", "train.branches")
"""What is answered in a study that keeps an epsilon: public numbers, and sums with noise."""


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
            code = _code_of(error)
        except Exception as error:
            said = "; ".join(filter(None, [str(error) or type(error).__name__, remedy_of(error), _TOLD]))
            _LOG.exception("the request %s failed: %s", asked, said, extra=COMPLAINT)
            code = _code_of(error)
        return Message(Error(code=code, reason="see the site's log"), reply_to=message)


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
    federation = settled_federation(context)
    if federation is not None and federation.privacy.epsilon and asked not in ACCOUNTED:
        raise ValueError(f"{asked}: this study keeps an epsilon, which does not account for it; nothing was sent")
    return call_next(message, context)


def audited(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
    """A mod that enters in a real site's audit log what comes and leaves; what cannot be entered does not leave."""
    home = home_of(context)
    if home is None:
        return call_next(message, context)
    came, about = _without_receipt(message), {"message": message.metadata.message_type, "run": context.run_id}
    with gathered() as facts:
        tell(study=_study_of(message, context))
        append(home, RECEIVED, {**about, **facts, **_entered(message.content)})
        try:
            receipts = _receipts(home, came)
            reply = call_next(message, context)
            left = _entered(reply.content) if reply.has_content() else {"error": reply.error.code}
        except Exception as error:
            append(home, SENT, {**about, **facts, "error": _code_of(error)})
            raise
        size = append(home, SENT, {**about, **facts, **left})
    if receipts is not None and reply.has_content():
        reply.content[CONFIG + AUDIT] = ConfigRecord(receipts.head(size, came or {}))
    return reply


def _receipts(home: Home, came: ConfigRecord | None) -> Receipts | None:
    """The site's receipts, with what came; None where the coordinator keeps none."""
    if came is None:
        return None
    receipts = Receipts(home, read_site_config(home.site / SITE_FILE))
    receipts.keep(came)
    return receipts


def _without_receipt(message: Message) -> ConfigRecord | None:
    """What the coordinator sent of receipts, taken out of the message; None where it keeps none."""
    came = message.content.get(CONFIG + AUDIT)
    message.content = RecordDict({key: each for key, each in message.content.items() if key != CONFIG + AUDIT})
    return came if isinstance(came, ConfigRecord) else None


def _entered(content: RecordDict) -> dict[str, Any]:
    return {"holds": contents_of(content), "sha256": digest_of_content(content)}


def _study_of(message: Message, context: Context) -> str:
    """The digest of the settings that came with this message, or before it in this run; empty where they are none."""
    for records, key in ((message.content, CONFIG + STUDY), (context.state, SETTINGS)):
        text = records[key].get("federation") if key in records else None
        if isinstance(text, str):
            with suppress(ValueError):
                return federation_of(text).digest
    return ""


def _code_of(error: Exception) -> int:
    """What the coordinator is told of an exception."""
    return NO_SETTINGS if isinstance(error, NotSettledError) else CLIENT_FAILED
