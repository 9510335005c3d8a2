"""A site that poisons its model: an attack on a simulated study. Nothing of it is in what sites run."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from client.app import app
from client.study.session import site_folders
from modalities.core.seeds import seed_of
from modalities.core.settings.site import read_site_config
from simulations.engines.inline import AlteredGrid
from strategies.wire import Weights

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
    return noise * SCALE * (np.linalg.norm(trained.astype(np.float64)) or 1.0) / (np.linalg.norm(noise) or 1.0)


ATTACKS: Mapping[str, Attack] = {"scaled": scaled, "flipped": flipped, "negated": negated, "random": random}


def hostile_grid(root: Path, hostile: str, attack: str, seed: int) -> AlteredGrid:
    """A grid on which the site `hostile` sends poisoned weights in every training round, and is honest otherwise.

    Raises:
        ValueError: no such site below `root`.
    """
    folders = site_folders(root)
    names = [read_site_config(folder / "site.yaml").name for folder in folders]
    if hostile not in names:
        raise ValueError(f"no site {hostile!r} to be hostile: there are {', '.join(names)}")

    def poison(part: str, server_round: str, sent: Weights, trained: Weights) -> Weights:
        rng = np.random.default_rng(seed_of(seed, "hostile", part, server_round))
        return {name: ATTACKS[attack](sent[name], own, rng) for name, own in trained.items()}

    return AlteredGrid(app, len(folders), {"site-root": str(root)}, names.index(hostile), poison)
