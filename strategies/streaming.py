"""Replies one at a time and in site order, and the running sum they fold into: memory of one model, not of all."""

import time
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from flwr.app import Message
from flwr.serverapp import Grid

from strategies.wire import Weights

_SHARE, _SOONEST_S, _LATEST_S = 0.1, 0.05, 0.2
"""Of the time that one has waited already one waits before the next look, within these bounds: each look costs 10 ms of
the SuperLink's processor, which a reply needs too."""


def replies_in_order(grid: Grid, messages: Sequence[Message], timeout: float) -> Iterator[Message]:
    """Send the messages at once, then yield each reply in the order of the messages, as soon as those before it are in.

    A reply that comes early waits. After `timeout` seconds what is still missing is left out; its messages carry the
    same time to live, so that a late reply never counts for a later round.
    """
    pushed = set(grid.push_messages(messages)) if messages else set()
    waiting = [message.metadata.message_id for message in messages if message.metadata.message_id in pushed]
    return _pull(grid, waiting, timeout)


def _pull(grid: Grid, waiting: list[str], timeout: float) -> Iterator[Message]:
    began = time.monotonic()
    early, missing, waiting_for = dict[str, Message](), dict.fromkeys(waiting), deque(waiting)
    while waiting_for:
        found = grid.pull_messages(list(missing))
        arrived = {reply.metadata.reply_to_message_id: reply for reply in found}
        early.update(arrived)
        for message_id in arrived:
            missing.pop(message_id, None)
        n_found = len(arrived)
        del found, arrived  # so that a reply given out is held by nobody here
        while waiting_for and waiting_for[0] in early:
            yield early.pop(waiting_for.popleft())
        if waiting_for and not n_found:
            waited = time.monotonic() - began
            if waited > timeout:
                yield from (early[message_id] for message_id in waiting_for if message_id in early)
                return
            time.sleep(min(max(_SHARE * waited, _SOONEST_S), _LATEST_S))


class RunningSum:
    """A weighted sum of named arrays; each addend is folded in and can be dropped at once."""

    def __init__(self) -> None:
        self.weight = 0.0
        self._sum: dict[str, torch.Tensor] = {}
        self._dtypes: dict[str, np.dtype] = {}

    def add(self, arrays: Weights, weight: float) -> None:
        """Fold in `weight` times the arrays."""
        if not self._sum:
            self._dtypes = {name: array.dtype for name, array in arrays.items()}
            with np.errstate(over="ignore"):  # as torch, below
                weighted = {name: array * _factor(array, weight) for name, array in arrays.items()}
            self._sum = {name: torch.from_numpy(np.asarray(array)) for name, array in weighted.items()}
        else:
            for name, array in arrays.items():
                self._sum[name].add_(torch.from_numpy(np.asarray(array)), alpha=weight)
        self.weight += weight

    def total(self) -> Weights:
        """The sum; numbers that were whole may now be fractions."""
        return {name: tensor.numpy() for name, tensor in self._sum.items()}

    def mean(self) -> Weights:
        """The weighted mean, in the types of the addends; this ends the sum, whose memory it takes over."""
        return {
            name: as_type(tensor.div_(self.weight).numpy(), self._dtypes[name]) for name, tensor in self._sum.items()
        }


def as_type(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array in this type; whole numbers are rounded."""
    return (np.rint(array) if dtype.kind in "iu" else array).astype(dtype, copy=False)


def _factor(array: np.ndarray, weight: float) -> np.floating:
    """The weight in the array's own precision; whole numbers are summed as float64."""
    return array.dtype.type(weight) if np.issubdtype(array.dtype, np.floating) else np.float64(weight)
