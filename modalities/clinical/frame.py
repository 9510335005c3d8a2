"""A data frame whose columns are fields of the dictionary, read as the file that it could be."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from modalities.clinical.config import Config
from modalities.clinical.readers.mapped import CASE_ID
from modalities.clinical.reading import read
from modalities.core.contract import Cases, Source


def of_frame(frame: pd.DataFrame, config: Config) -> Cases:
    """A row a case, by its index; values as the registry writes them.

    Raises:
        ValueError: what the reader says of a mapped table.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frame.csv"
        frame.rename_axis(CASE_ID).to_csv(path)
        return read(Source((path,), columns={str(name): str(name) for name in frame.columns}), config)
