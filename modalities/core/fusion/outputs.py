"""What the branches say of some cases, and which of them each case has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Outputs:
    """Branch outputs of n cases; the rows of a modality that a case lacks are zero and `present` says so."""

    logits: Mapping[str, Float[Tensor, "case class"]]
    embeddings: Mapping[str, Float[Tensor, "case _"]]
    present: Mapping[str, Bool[Tensor, " case"]]

    @property
    def modalities(self) -> list[str]:
        """The modalities, in order."""
        return list(self.logits)

    @property
    def n_cases(self) -> int:
        return len(next(iter(self.present.values())))

    @property
    def n_present(self) -> Float[Tensor, " case"]:
        """How many modalities each case has."""
        return torch.stack(list(self.present.values())).sum(dim=0).to(torch.float64)

    def only(self, modalities: Sequence[str]) -> "Outputs":
        """The same cases with every other modality hidden."""
        hidden = {name: held & (name in modalities) for name, held in self.present.items()}
        return Outputs(self.logits, self.embeddings, hidden)

    def rows(self, rows: Tensor) -> "Outputs":
        """Some of the cases, by row number or mask."""
        return Outputs(*({name: values[rows] for name, values in group.items()} for group in self._groups()))

    def _groups(self) -> tuple[Mapping[str, Tensor], ...]:
        return self.logits, self.embeddings, self.present
