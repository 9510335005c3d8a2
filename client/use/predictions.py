"""What a release says of cases, and the table of it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from client.use.about import About


@dataclass(frozen=True)
class Predictions:
    """What a release says of the cases of a site folder, or of data frames."""

    case_ids: tuple[str, ...]
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    """Of the release."""
    probabilities: Float[np.ndarray, "case class"]
    """NaN for a case with none of the modalities."""
    sets: Bool[np.ndarray, "case class"] | None
    """The classes that cannot be ruled out (conformal set); None where the study held out no case to learn it from."""
    present: Bool[np.ndarray, "case modality"]
    prior: Float[np.ndarray, " class"]
    """The classes' shares among the study's training cases: what is known without looking at a case."""
    contributions: Float[np.ndarray, "case modality"]
    """What each modality adds to the predicted class's probability over its prior; 0 for one that the case lacks."""
    notes: tuple[str, ...]
    """What was left out or imputed, counted."""
    about: About
    """The release."""
    trained: frozenset[str] = frozenset()
    """Cases that the case list marks for training and that have a label: the model has learned from them if this site
    took part."""

    @property
    def predicted(self) -> list[int]:
        """Index of the most probable class; -1 for a case with none of the modalities."""
        known = np.asarray(self.present.any(axis=1))
        best = np.where(known[:, None], self.probabilities, 0.0).argmax(axis=1)
        return np.where(known, best, -1).tolist()

    def table(self) -> pd.DataFrame:
        """A row a case; blank where there is nothing to say."""
        rows = []
        known = zip(self.case_ids, self.predicted, self.present.tolist(), strict=True)
        for row, (case_id, best, present) in enumerate(known):
            held = [name for name, has in zip(self.modalities, present, strict=True) if has]
            entry: dict[str, object] = {"case_id": case_id, "training_case": "yes" if case_id in self.trained else ""}
            entry |= {"modalities": "+".join(held), "predicted": self.classes[best] if held else ""}
            if self.sets is not None:
                entry["set"] = "+".join(name for name, is_in in zip(self.classes, self.sets[row], strict=True) if is_in)
            entry |= {f"p_{name}": self.probabilities[row, at] for at, name in enumerate(self.classes)}
            entry["prior"] = self.prior[best] if held else np.nan
            added = {name: self.contributions[row, at] for at, name in enumerate(self.modalities)}
            entry |= {f"from_{name}": added[name] if name in held else np.nan for name in self.modalities}
            rows.append(entry)
        return pd.DataFrame(rows)
