"""Cases whose rows are read when a batch wants them, and scaled on the way."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.blocks.ragged import refuse_other_width
from modalities.core.contract import State
from modalities.core.files.rows import LAID_OUT, OnDisk, Rows


@dataclass(frozen=True)
class Scale:
    """How features are scaled and cut; one for all cases."""

    mean: Float[Tensor, " feature"]
    inverse_scale: Float[Tensor, " feature"]
    clip: float

    @staticmethod
    def of(state: State, clip: float) -> "Scale":
        """The shared statistics in float32."""
        mean, inverse_scale = (torch.from_numpy(state[name]).float() for name in ("mean", "inverse_scale"))
        return Scale(mean, inverse_scale, clip)


@dataclass(frozen=True)
class ScaledRows(OnDisk):
    """The rows of a case in standard deviations, cut to +-clip, as often as they are read."""

    rows: Rows = field(metadata=LAID_OUT)
    scale: Scale

    def __post_init__(self) -> None:
        """Refuse rows of another number of features than the statistics."""
        refuse_other_width(self.rows.shape[1], len(self.scale.mean))

    def __len__(self) -> int:
        """Rows."""
        return self.rows.shape[0]

    @property
    def nbytes(self) -> int:
        """Of all rows as they are read, in float32."""
        return 4 * self.rows.shape[0] * self.rows.shape[1]

    def read_into(self, out: Float[Tensor, "row feature"]) -> None:
        """Read all rows to where they are wanted."""
        first = 0
        for block in self.rows.blocks():
            part = out[first : first + len(block)]
            part.copy_(block).sub_(self.scale.mean).mul_(self.scale.inverse_scale)
            part.clamp_(-self.scale.clip, self.scale.clip)
            first += len(block)

    def mean(self) -> Float[Tensor, " feature"]:
        """Over all rows."""
        total = torch.zeros(self.rows.shape[1], dtype=torch.float64)
        for block in self.rows.blocks():
            scaled = (block.float() - self.scale.mean) * self.scale.inverse_scale
            total += scaled.clamp_(-self.scale.clip, self.scale.clip).double().sum(dim=0)
        return (total / len(self)).float()


def one_after_the_other(cases: Sequence[Tensor | ScaledRows]) -> Float[Tensor, "row feature"]:
    """The rows of all cases."""
    tensors = [case for case in cases if isinstance(case, Tensor)]
    if len(tensors) == len(cases):
        return torch.cat(tensors)
    width = next(case.rows.shape[1] for case in cases if isinstance(case, ScaledRows))
    joined = torch.empty(sum(map(len, cases)), width)
    for case, part in zip(cases, joined.split([len(case) for case in cases]), strict=True):
        if isinstance(case, Tensor):
            part.copy_(case)
        else:
            case.read_into(part)
    return joined
