"""A grid that carries heads of audit logs up and receipts down, so that no phase need know of them."""

import json
from collections.abc import Iterable, Mapping

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from server.audit.receipts import MISSING, Receipts
from strategies.audit.statements import AUDIT, WITNESSED
from strategies.exchange import with_content
from strategies.flower.grids import WrappedGrid
from strategies.flower.log import log
from strategies.wire import CONFIG

RECORD = CONFIG + AUDIT
WITNESSING = ("query.peers",)
"""Messages with which a site is shown the heads of the others: those that tell it who the others are."""
_WARNING = 30


class ReceiptGrid(WrappedGrid):
    """A grid whose messages ask each enrolled site for the head of its audit log; the phases see neither."""

    def __init__(self, grid: Grid, receipts: Receipts, sites: Mapping[int, str]) -> None:
        """Around another grid; `sites` are the enrolled ones by node id."""
        super().__init__(grid)
        self._receipts, self._sites = receipts, sites
        self._asked_after: dict[str, int] = {}
        """Message id -> the size of the head that the site was asked to extend."""
        self._noted: set[tuple[str, str]] = set()
        self.warnings: list[tuple[str, str]] = []
        """Site and text; whoever shows them takes them away."""

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Push each with the receipt of the head that its site sent last."""
        messages, sizes = list(messages), []
        for message in messages:
            site = self._sites.get(message.metadata.dst_node_id, "")
            receipt = self._receipts.last(site)
            sizes.append(receipt.size if receipt else 0)
            if site:
                message.content = RecordDict({**message.content, RECORD: self._record(site, message)})
        ids = list(self._grid.push_messages(messages))
        self._asked_after |= dict(zip(ids, sizes, strict=True))
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that have arrived, without their heads, which are countersigned."""
        replies = [self._taken(reply) for reply in self._grid.pull_messages(message_ids)]
        if replies:
            self._receipts.save()
        return replies

    def _record(self, site: str, message: Message) -> ConfigRecord:
        receipt = self._receipts.last(site)
        record = ConfigRecord(receipt.to_dict() if receipt else {})
        if message.metadata.message_type in WITNESSING:
            record[WITNESSED] = json.dumps([other.to_dict() for other in self._receipts.heads_for(site)])
        return record

    def _taken(self, reply: Message) -> Message:
        site = self._sites.get(reply.metadata.src_node_id, "")
        asked_after = self._asked_after.pop(reply.metadata.reply_to_message_id, 0)
        if not site or not reply.has_content():
            return reply
        sent = reply.content.get(RECORD)
        last = self._receipts.last(site)
        if not isinstance(sent, ConfigRecord):
            self._warn(site, MISSING)
        elif asked_after == (last.size if last else 0):  # else another reply of it came meanwhile, and the next will do
            self._warn(site, self._receipts.take(site, sent))
        content = RecordDict({key: record for key, record in reply.content.items() if key != RECORD})
        return with_content(reply, content)

    def _warn(self, site: str, text: str) -> None:
        """Say it, once a run."""
        if text and (site, text) not in self._noted:
            self._noted.add((site, text))
            self.warnings.append((site, text))
            log(_WARNING, "site %s: %s", site, text)
