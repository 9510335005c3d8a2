"""Replies under masks: what the site computed leaves as a vector that says nothing but in the sum with its peers'.

The sums over cases that a reply holds are made by the same code as without masks; here they are masked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict

from client.audit.facts import tell
from client.masking.ledger import Entry, Ledger, PassingLedger, ledger_of, most_questions
from client.masking.run_keys import peers_of, run_of, secrets_for, site_of
from client.study.session import SETTINGS
from client.study.settled import home_of, settled_federation
from modalities.core.settings.federation import Federation
from strategies.checks import NUM_EXAMPLES
from strategies.masked_exchange.wire import (
    BOXES,
    INPUTS,
    LABEL,
    LAYOUT,
    MASKED_TYPES,
    MASKING,
    TRAIN,
    groups_in,
    least_of,
    question_of,
)
from strategies.masking.labels import Label
from strategies.masking.layout import Reply, flattened, layout_of
from strategies.masking.member import boxes, mask
from strategies.masking.numbers import WEIGHTS, Change
from strategies.masking.vectors import Vector
from strategies.wire import ARRAYS, CONFIG, MASKED, METRICS, from_record, record_of, to_record


def masked(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
    """A mod that masks what the study's settings want masked, and lets nothing of it out in the clear.

    Raises:
        ValueError: the request is not masked as the settings agreed on want it.
    """
    asked, content = message.metadata.message_type, message.content
    federation = settled_federation(context)
    if federation is None or asked not in MASKED_TYPES:
        return call_next(message, context)
    if not federation.privacy.is_masked:
        if CONFIG + MASKING in content:
            raise ValueError("a masked request, in a study whose settings say privacy.masking: off")
        return call_next(message, context)
    if CONFIG + MASKING not in content:
        raise ValueError("a request without masks, in a study whose settings say privacy.masking: required")
    site = _Site(context, federation, asked)
    groups: Any = record_of(content, CONFIG + MASKING, ConfigRecord)
    members = {group: site.checked(group, names) for group, names in groups.items()}
    reply = call_next(message, context)
    if reply.has_content():
        reply.content = site.hidden(content, reply.content, members)
    return reply


class _Site:
    """This site in one exchange."""

    def __init__(self, context: Context, federation: Federation, asked: str) -> None:
        self._context, self._federation, self._asked = context, federation, asked
        self._home = home_of(context)
        config = site_of(context, self._home)
        self._name, self._policy = config.name, config.policy
        self._run = run_of(context, self._home, config, federation.digest)
        self._peers = peers_of(context)
        self._secrets = secrets_for(context, self._home, self._run, self._name, self._peers)

    def checked(self, group: str, names: Sequence[str]) -> list[str]:
        """The members of a group.

        Raises:
            ValueError: they are too few, or not sites that this one knows as peers.
        """
        members, least = list(names), self._federation.privacy.least_sites
        if len(members) < max(least, self._policy.min_holders if group in self._federation.modalities else 0):
            raise ValueError(
                f"{group}: a sum over {len(members)} sites; this site takes part from "
                f"{max(least, self._policy.min_holders)} on"
            )
        if members != sorted(set(members)) or self._name not in members:
            raise ValueError(f"{group}: the members must be named once each, in order, and this site among them")
        if strangers := [name for name in members if name not in self._peers]:
            raise ValueError(f"{group}: {', '.join(strangers)}: no peers whose keys this site accepted in this run")
        return members

    def hidden(self, question: RecordDict, answer: RecordDict, members: Mapping[str, list[str]]) -> RecordDict:
        """The answer with every group's parts masked; parts of groups that are too small stay here."""
        left = RecordDict({key: record for key, record in answer.items() if key.startswith(CONFIG)})
        with ledger_of(self._context, self._home) as ledger:
            for group, parts in groups_in(answer).items():
                if group in members:
                    reply = _plain(self._asked, question, answer, parts)
                    arrays, config = self._mask(ledger, question, group, reply, members[group])
                    left[ARRAYS + MASKED + group], left[CONFIG + MASKED + group] = arrays, config
        return left

    def _mask(
        self, ledger: Ledger | PassingLedger, question: RecordDict, group: str, reply: Reply, members: list[str]
    ) -> tuple[ArrayRecord, ConfigRecord]:
        fixed = WEIGHTS[self._federation.privacy.masked_bits]
        keys = {name: self._peers[name] for name in members}
        known = _known(self._context, group)
        asked, inputs = question_of(self._asked, question, group, known)
        label = Label(self._run.study, self._run.number, group, members, keys, asked)
        vector = Vector.of(*flattened(reply), fixed, len(members))
        entry = Entry(
            label=label.digest.hex(),
            study=self._run.study,
            roster=self._run.roster,
            run=self._run.number,
            group=group,
            question=asked,
            inputs=inputs,
            message=self._asked,
            members={name: key.hex() for name, key in keys.items()},
            least=least_of(self._federation, group, len(members)),
            plain=vector.digest(),
        )
        ledger.note(entry, most_questions(self._federation, self._asked))
        tell(roster=entry.roster, group=group, members=members, plain_sha256=entry.plain)
        mask(self._secrets, label, vector)
        sealed = boxes(self._secrets, label, entry.least)
        config = {LABEL: entry.label, INPUTS: entry.inputs, LAYOUT: layout_of(reply), BOXES: sealed}
        return to_record({"weights": vector.weights, "sums": vector.sums}), ConfigRecord(config)


def _known(context: Context, group: str) -> str:
    """What a group's members were told before: the shared statistics of a branch."""
    settings = record_of(context.state, SETTINGS, ConfigRecord)
    return str(settings.get(f"digest.{group}", ""))


def _plain(asked: str, question: RecordDict, answer: RecordDict, parts: Sequence[str]) -> Reply:
    """What the site has to say of a group's parts; trained weights as cases times their change."""
    reply = Reply(is_weighted=asked == TRAIN)
    for part in parts:
        metrics = dict(record_of(answer, METRICS + part, MetricRecord)) if METRICS + part in answer else {}
        arrays = from_record(record_of(answer, ARRAYS + part, ArrayRecord)) if ARRAYS + part in answer else {}
        if reply.is_weighted:
            sent, n_cases = from_record(record_of(question, ARRAYS + part, ArrayRecord)), metrics[NUM_EXAMPLES]
            arrays = {name: Change(sent[name], trained, n_cases) for name, trained in arrays.items()}  # pyright: ignore
        reply.arrays[part], reply.metrics[part] = arrays, metrics  # pyright: ignore
    return reply
