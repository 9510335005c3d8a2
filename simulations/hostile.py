"""A site that poisons its model: an attack on a simulated study. Nothing of it is in what sites run."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Message, RecordDict

from client.app import app
from client.study import site_folders
from modalities.core.cases import read_site_config
from modalities.core.seeds import seed_of
from simulations.inline import InlineGrid
from strategies.exchange import with_content
from strategies.per_modality import TRAIN
from strategies.wire import ARRAYS, Weights, from_record, parts_in, record_of, to_record

SCALE = 10.0
Attack = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def scaled(sent: np.ndarray, trained: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The honest update ten times: w_global + 10 (w - w_global)."""
    del rng
    return sent + SCALE * (trained - sent)


def flipped(sent: np.ndarray, trained: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The honest update ten times, backwards: w_global - 10 (w - w_global).

    Once backwards would be one honest vote in thirteen lost, which even a mean survives.
    """
    del rng
    return sent - SCALE * (trained - sent)


def negated(sent: np.ndarray, trained: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The honest weights with their signs flipped: -w."""
    del sent, rng
    return -trained


def random(sent: np.ndarray, trained: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal numbers in place of the weights, ten times their norm (or 10 where they are 0)."""
    del sent
    noise = rng.normal(size=trained.shape)
    return noise * SCALE * (np.linalg.norm(trained) or 1.0) / (np.linalg.norm(noise) or 1.0)


ATTACKS: Mapping[str, Attack] = {"scaled": scaled, "flipped": flipped, "negated": negated, "random": random}


class HostileGrid(InlineGrid):
    """An inline grid on which one site sends poisoned weights in every training round, and is honest otherwise."""

    def __init__(self, root: Path, hostile: str, attack: str, seed: int) -> None:
        """`hostile` is a site's name; `root` holds the site folders.

        Raises:
            ValueError: there is no such site.
        """
        folders = site_folders(root)
        super().__init__(app, len(folders), {"site-root": str(root)})
        names = [read_site_config(folder / "site.yaml").name for folder in folders]
        if hostile not in names:
            raise ValueError(f"no site {hostile!r} to be hostile: there are {', '.join(names)}")
        self._hostile = list(self.get_node_ids())[names.index(hostile)]
        self._attack, self._seed = attack, seed

    def _answer(self, message: Message) -> Message:
        reply = super()._answer(message)
        metadata = message.metadata
        if metadata.dst_node_id != self._hostile or metadata.message_type != TRAIN or reply.has_error():
            return reply
        content = RecordDict(dict(reply.content))
        for part in parts_in(content):
            sent, trained = (
                from_record(record_of(own, ARRAYS + part, ArrayRecord)) for own in (message.content, content)
            )
            rng = np.random.default_rng(seed_of(self._seed, "hostile", part, metadata.group_id))
            content[ARRAYS + part] = to_record(self._poisoned(sent, trained, rng))
        return with_content(reply, content)

    def _poisoned(self, sent: Weights, trained: Weights, rng: np.random.Generator) -> Weights:
        attack = ATTACKS[self._attack]
        return {name: attack(sent[name], own, rng).astype(own.dtype) for name, own in trained.items()}
