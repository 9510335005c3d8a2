"""Who is trained on at a site: fixed as a run begins, whatever becomes of the files until it ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

_HELD = "held."


@dataclass(frozen=True)
class Roll:
    """The labelled training cases of a site, in the order of its case list."""

    case_ids: tuple[str, ...]
    labels: Int64[np.ndarray, " case"]
    """Class of each."""
    folds: Int64[np.ndarray, " case"]
    """Fold of each, 1 to n; 0 where nothing is held out."""
    held: Mapping[str, Int64[np.ndarray, " row"]]
    """Modality -> the positions here of the cases that hold it, in the order of its files."""
    case_list: tuple[int, int]
    """Size of cases.csv and when it was changed, in nanoseconds, as the roll was drawn up."""

    def to_plain(self) -> dict[str, Any]:
        """Lists of text and of whole numbers, by name."""
        held = {f"{_HELD}{name}": rows.tolist() for name, rows in self.held.items()}
        lists = {"labels": self.labels.tolist(), "folds": self.folds.tolist(), "case_list": list(self.case_list)}
        return {"case_ids": list(self.case_ids), **lists, **held}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> "Roll":
        """The inverse of `to_plain`."""
        held = {key.removeprefix(_HELD): _numbers(plain[key]) for key in plain if key.startswith(_HELD)}
        size, changed_ns = plain["case_list"]
        return Roll(
            tuple(plain["case_ids"]), _numbers(plain["labels"]), _numbers(plain["folds"]), held, (size, changed_ns)
        )


def _numbers(values: Any) -> Int64[np.ndarray, " value"]:
    return np.array(values, dtype=np.int64)
