"""What every test shares: one torch thread, no telemetry, and the real tables where they are at hand."""

import os
from pathlib import Path

# Before anything imports Flower or Ray: they read these once.
os.environ.update(FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1", RAY_USAGE_STATS_ENABLED="0")

import pytest
import torch

torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def tcga_data() -> Path:
    """Folder of the real tables (`tcga-brca/`, `slides/`): $TESSERA_DATA, else ../shared/data beside the repository."""
    folder = Path(os.environ.get("TESSERA_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set TESSERA_DATA to the folder that holds tcga-brca/")
    return folder
