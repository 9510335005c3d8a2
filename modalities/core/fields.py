"""Types and ranges of settings, said once, beside the field: a section is checked whether a file or code makes it."""

import dataclasses
import re
from typing import Annotated, TypeVar, cast, dataclass_transform

from pydantic import AfterValidator, ConfigDict, Field, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass as validating

_CHECKED = ConfigDict(extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)
_Section = TypeVar("_Section")

MOST_COUNT = 1_000_000_000
"""More than any count of a study: the numbers of a site's settings are another's, and fit whatever reads them."""
Whole = Annotated[StrictInt, Field(ge=0, le=MOST_COUNT)]
Count = Annotated[StrictInt, Field(ge=1, le=MOST_COUNT)]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
Level = Annotated[StrictInt, Field(ge=0, le=255)]
"""Of a colour or a saturation, of 255."""
NotNegative = Annotated[StrictFloat, Field(ge=0)]
Positive = Annotated[StrictFloat, Field(gt=0)]
Share = Annotated[StrictFloat, Field(ge=0, le=1)]
ShareBelowOne = Annotated[StrictFloat, Field(ge=0, lt=1)]
ShareBetween = Annotated[StrictFloat, Field(gt=0, lt=1)]
Widths = Annotated[list[Annotated[StrictInt, Field(ge=1, le=65_536)]], Field(max_length=64)]
"""Widths of layers, the first one first: bounded, so that no coordinator's settings fill a site's memory."""

AUTO, CPU = "auto", "cpu"


def _device(text: str) -> str:
    if not re.fullmatch(rf"{AUTO}|{CPU}|cuda(:\d{{1,3}})?", text):
        raise ValueError(f"must be auto, cpu, cuda, or one of several GPUs such as cuda:1, got {text!r}")
    return text


Device = Annotated[str, AfterValidator(_device)]
"""Where a network computes; `auto` chooses by size (modalities/core/device.py)."""


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def settings(cls: type[_Section]) -> type[_Section]:
    """A frozen dataclass whose fields are checked when one is made; numbers stay numbers: no text, no yes or no.

    Raises:
        pydantic.ValidationError: a ValueError, with every field that is wrong; raised by what is decorated.
    """
    return cast(type[_Section], validating(cls, frozen=True, config=_CHECKED))
