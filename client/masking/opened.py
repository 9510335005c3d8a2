"""The second trip at a site: its shares of the secrets that open a sum which it is in."""

from collections.abc import Sequence

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict

from client.audit.facts import tell
from client.masking.ledger import Entry, Ledger, PassingLedger, ledger_of
from client.masking.run_keys import secrets_for, site_of
from client.node.home import Home
from client.study.settled import home_of
from strategies.masked_exchange.wire import BOXES, LABEL, SHARES, SURVIVORS
from strategies.masking.keys import Run
from strategies.masking.labels import Label
from strategies.masking.member import opening
from strategies.wire import ARRAYS, CONFIG, MASKED, parts_in, record_of, to_record


def opened(message: Message, context: Context) -> RecordDict:
    """This site's shares of the secrets that open the sums asked for.

    Raises:
        ValueError: it sent no vector for one; or its sum is of other sites than it helped to open before, of too few,
            or not of this one.
    """
    home, reply = home_of(context), RecordDict()
    with ledger_of(context, home) as ledger:
        for group in parts_in(message.content, CONFIG + MASKED):
            config = record_of(message.content, CONFIG + MASKED + group, ConfigRecord)
            reply[ARRAYS + MASKED + group] = _shares(context, home, ledger, config)
    return reply


def _shares(context: Context, home: Home | None, ledger: Ledger | PassingLedger, config: ConfigRecord) -> ArrayRecord:
    """Of one sum: a row a survivor, its own mask's share first, then those of its pairs with each that dropped out."""
    entry, name = ledger.entry(str(config[LABEL])), site_of(context, home).name
    survivors: list[str] = list(config[SURVIVORS])  # pyright: ignore
    _check_survivors(entry, survivors, name)
    ledger.settle(entry, survivors)
    tell(study=entry.study, roster=entry.roster, group=entry.group, members=survivors)
    keys = {member: bytes.fromhex(key) for member, key in entry.members.items()}
    secrets = secrets_for(context, home, Run(entry.study, entry.roster, entry.run), name, keys)
    label = Label(entry.study, entry.run, entry.group, list(entry.members), keys, entry.question)
    sealed = dict(zip(survivors, list(config[BOXES]), strict=True))  # pyright: ignore
    shares = opening(secrets, label, entry.least, survivors, sealed)  # pyright: ignore
    rows = [[np.frombuffer(share, dtype=np.uint8) for share in shares[survivor]] for survivor in survivors]
    return to_record({SHARES: np.array(rows, dtype=np.uint8)})


def _check_survivors(entry: Entry, survivors: Sequence[str], name: str) -> None:
    if list(survivors) != sorted(set(survivors)) or not set(survivors) <= set(entry.members):
        raise ValueError(f"{entry.group}: asked to open a sum of sites that were not asked for it")
    if name not in survivors:
        raise ValueError(f"{entry.group}: asked to open a sum that this site is not in")
    if len(survivors) < entry.least:
        raise ValueError(
            f"{entry.group}: asked to open a sum of {len(survivors)} of {len(entry.members)} sites, which takes "
            f"{entry.least}"
        )
