"""A YAML file as plain values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from modalities.core.problems import remedy_of, unusable

_MOST_BYTES = 64 * 2**20


def plain_in(path: Path, dotted: Sequence[str] = ()) -> Any:
    """What the file holds, of settings a mapping, with dotted words such as `policy.min_cell=5` over it.

    Raises:
        ProblemsError: it is absent or is no YAML, or a word does not fit.
    """
    if path.exists() and not path.is_file():
        raise unusable("a folder, a pipe or a device, no file", "put the file there", file=path.name)
    if path.is_file() and (size := path.stat().st_size) > _MOST_BYTES:
        raise unusable(
            f"has {size:,} bytes, and settings at most {_MOST_BYTES:,}", "is it the right file?", file=path.name
        )
    try:
        held = OmegaConf.load(path)
        return OmegaConf.to_container(OmegaConf.merge(held, OmegaConf.from_dotlist(list(dotted))) if dotted else held)
    except OSError as error:
        remedy = remedy_of(error) or "correct the path"
        raise unusable(f"cannot be read: {error.strerror}", remedy, file=str(path)) from error
    except (yaml.YAMLError, OmegaConfBaseException, ValueError) as error:
        raise unusable(f"cannot be read: {error}", file=path.name) from error
