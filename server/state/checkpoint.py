"""A study's progress on disk: one file, replaced in one step, so that a crash at any moment leaves a whole one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from modalities.core.files.atomic import replacing

CHECKPOINT = "checkpoint.safetensors"
"""In the folder of a study's run."""
_META = "tessera"


def save_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write arrays and plain values; the file that stood there before is there until the new one is complete."""
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with replacing(path) as beside:  # straight from the arrays: their bytes in one piece would double the memory
        save_file(contiguous, beside, metadata={_META: json.dumps(meta, sort_keys=True)})


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What `save_checkpoint` wrote.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            meta = json.loads((file.metadata() or {})[_META])
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: no readable checkpoint; move it away to begin the study anew") from error
