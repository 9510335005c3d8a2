"""A modality's cases from a data frame, for a program that has no files."""

import numpy as np
import pandas as pd

from modalities.core.blocks.tabular import in_agreed_order
from modalities.core.contract import Cases
from modalities.core.files.tables.delimited import listing
from modalities.core.hooks import FromFrame
from modalities.core.problems import check
from modalities.core.registry import plugin
from modalities.core.settings.training import BranchConfig


def cases_of_frame(frame: pd.DataFrame, config: BranchConfig) -> Cases:
    """A row a case, by its index; the columns are the agreed features, a missing value is NaN.

    What a plug-in reads another way (clinical: fields of its dictionary), its `of_frame` says.

    Raises:
        ValueError: every problem of the frame at once.
    """
    module, case_ids = plugin(config.kind), [str(case_id) for case_id in frame.index]
    repeated = sorted({case_id for case_id in case_ids if case_ids.count(case_id) > 1})
    check([f"cases that the index has more than once: {listing(repeated)}; keep one row a case"] * bool(repeated))
    if isinstance(module, FromFrame):
        return module.of_frame(frame, config)
    text = [str(name) for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    known = [name for name in map(str, frame.columns) if name in config.features]
    check(
        [f"columns that hold no numbers: {listing(text)}; convert them, with NaN for what is missing"] * bool(text)
        + [f"a {config.kind} of this release is read from files: use predict with a site folder"]
        * (not config.features)
        + [
            f"no column is an agreed feature; the frame has {listing([str(name) for name in frame.columns])}, the "
            f"release reads {listing(list(config.features))}"
        ]
        * (bool(config.features) and not known)
    )
    values = frame.to_numpy(dtype=np.float32, na_value=np.nan)
    others = {"columns that the release does not read": len(frame.columns) - len(known)}
    found = Cases(tuple(case_ids), values, tuple(map(str, frame.columns)), others)
    return in_agreed_order(found, config.features, "columns imputed").with_a_known_value()
