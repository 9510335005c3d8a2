"""A small study that runs in about a second, and a Grid that looks into, loses or falsifies its messages."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Message, RecordDict
from flwr.serverapp import Grid

from client.app import app
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.site.example import example_features, write_example_site
from server.phases.options import Options
from server.phases.order import run_study
from server.state.study import StudyState
from simulations.engines.inline import InlineGrid
from strategies.flower.grids import LocalGrid
from strategies.flower.messages import be_server, give_id
from strategies.wire import CONFIG

KINDS = {"cnv": "cnv", "hif": "table"}
HOLDINGS = (("cnv", "hif"), ("cnv",), ("cnv", "hif"))
"""What sites 1, 2 and 3 hold: the second has copy number only."""
N_CASES = (29, 17, 23)
FIRST_NODE = 1000
ONE_ROUND = {"modalities__cnv__federated__rounds": 1, "modalities__hif__federated__rounds": 1}

features_of = cache(example_features)


def small_federation(**changes: object) -> Federation:
    """Two modalities, two rounds, two folds; dotted keys with __ for the dots change it."""
    raw = {
        "seed": 3,
        "fusion": {"folds": 2, "rounds": 3},
        "modalities": {
            name: {"kind": kind, "features": features_of(kind), "federated": {"rounds": 2, "patience": 0}}
            for name, kind in KINDS.items()
        },
    }
    for dotted, value in changes.items():
        *path, last = dotted.split("__")
        section = raw
        for key in path:
            section = section.setdefault(key, {})
        section[last] = value
    return federation_from(raw)


def write_sites(
    root: Path,
    federation: Federation,
    holdings: Sequence[Sequence[str]] = HOLDINGS,
    n_cases: Sequence[int] = N_CASES,
) -> Path:
    """Made-up site folders site_1, site_2, ... below the root."""
    for number, (held, n) in enumerate(zip(holdings, n_cases, strict=True)):
        write_example_site(root, federation, number, n, [name for name in held if name in federation.modalities])
    return root


def agree(root: Path, site: str, federation: Federation) -> None:
    """Name a federation.yaml of this text as the one that the site agreed to."""
    (root / site / "agreed.yaml").write_text(federation.to_json(), "utf-8")
    with (root / site / "site.yaml").open("a", encoding="utf-8") as file:
        file.write("coordinator: {federation: agreed.yaml}\n")


class BareGrid(LocalGrid):
    """What a test's own Grid need not define."""

    def __init__(self) -> None:
        super().__init__(run_id=1)

    def get_node_ids(self) -> Iterable[int]:
        return []


class WatchedGrid(BareGrid):
    """An inline grid whose messages can be seen, lost (`loses`) and falsified (`falsifies`) on their way back.

    `away` names the sites, by number, that are not connected just now; one that leaves forgets what it was sent.
    """

    def __init__(
        self,
        root: Path,
        n_sites: int = len(HOLDINGS),
        loses: Callable[[Message], bool] = lambda message: False,
        falsifies: Callable[[Message, Message], Message | None] = lambda message, reply: None,
        away: Callable[["WatchedGrid"], Collection[int]] = lambda grid: (),
    ) -> None:
        super().__init__()
        self.inner = InlineGrid(app, n_sites, {"site-root": str(root)})
        self.asked: list[Message] = []
        self.replies: list[Message] = []
        self._loses, self._falsifies, self._away = loses, falsifies, away
        self._by_id: dict[str, Message] = {}

    def get_node_ids(self) -> Iterable[int]:
        away = [FIRST_NODE + number - 1 for number in self._away(self)]
        for node_id in away:
            self.restart(node_id - FIRST_NODE + 1)
        return [node_id for node_id in self.inner.get_node_ids() if node_id not in away]

    def restart(self, number: int) -> None:
        """The site's SuperNode is another process now, and knows nothing of this run."""
        self.inner._contexts[FIRST_NODE + number - 1].state = RecordDict()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        messages = list(messages)
        assert not {site_number(message) for message in messages} & {*self._away(self)}, "a site that is away is asked"
        ids = list(self.inner.push_messages(messages))
        self.asked += messages
        self._by_id |= dict(zip(ids, messages, strict=True))
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        wanted = [message_id for message_id in message_ids if not self._loses(self._by_id[message_id])]
        found = []
        for reply in self.inner.pull_messages(wanted):
            asked = self._by_id[reply.metadata.reply_to_message_id]
            found.append(self._falsifies(asked, reply) or reply)
        self.replies += found
        return found


def run_small(
    root: Path,
    federation: Federation,
    grid: Grid | None = None,
    start: StudyState | None = None,
    **options: object,
) -> StudyState:
    """The whole study on the sites below the root."""
    n_sites = len(list(root.glob("*/site.yaml")))
    settings = Options(**{"timeout": 0.3, "sites": n_sites, "evaluates": False, **options})
    return run_study(grid or WatchedGrid(root, n_sites), federation, settings, start)


def site_number(message: Message) -> int:
    """1 for the first site: the one a message goes to."""
    return message.metadata.dst_node_id - FIRST_NODE + 1


def loses_what_was_missing(incomplete: Mapping[str, Mapping[str, Sequence[int]]]) -> Callable[[Message], bool]:
    """For a WatchedGrid: the replies that are not in a study's sums, by the `incomplete` of its status."""

    def is_lost(message: Message) -> bool:
        missing = incomplete.get(f"site_{site_number(message)}", {})
        if message.metadata.message_type == "query.statistics":
            return any(what.startswith("statistics of ") for what in missing)
        rounds = {
            key.removeprefix(CONFIG).partition("@")[0]: record["server-round"]
            for key, record in message.content.config_records.items()
            if "server-round" in record
        }
        is_training = message.metadata.message_type == "train.branches"
        return is_training and any(number in missing.get(name, ()) for name, number in rounds.items())

    return is_lost


def with_content(reply: Message, content: RecordDict) -> Message:
    """The same reply with other content."""
    return Message(content, metadata=reply.metadata)


def all_arrays(content: RecordDict) -> dict[str, dict[str, np.ndarray]]:
    """Copies of every array of a message, by record."""
    return {
        key: {name: array.numpy().copy() for name, array in record.items()}
        for key, record in content.items()
        if isinstance(record, ArrayRecord)
    }


def same_arrays(one: Mapping[str, Mapping[str, np.ndarray]], other: Mapping[str, Mapping[str, np.ndarray]]) -> bool:
    """Whether two groups of arrays are equal bit for bit, types and shapes included."""
    return one.keys() == other.keys() and all(
        one[part].keys() == other[part].keys()
        and all(
            array.dtype == other[part][name].dtype
            and array.shape == other[part][name].shape
            and array.tobytes() == other[part][name].tobytes()
            for name, array in own.items()
        )
        for part, own in one.items()
    )


def same_study(one: StudyState, other: StudyState) -> bool:
    """Whether two studies ended with the very same weights, statistics, head and calibration."""
    return (
        same_arrays(one.weights, other.weights)
        and same_arrays(one.states, other.states)
        and same_arrays({"head": one.head}, {"head": other.head})
        and same_arrays({"calibration": one.calibration}, {"calibration": other.calibration})
    )


def asked_message(node_id: int = FIRST_NODE, message_type: str = "train.branches") -> Message:
    """A message as a grid would have sent it."""
    be_server(run_id=1)
    message = Message(RecordDict(), node_id, message_type)
    give_id(message)
    return message
