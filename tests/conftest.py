"""What every test shares: one torch thread, no telemetry, checked array shapes, and the real tables where they are."""

import os
from pathlib import Path

# Before anything imports Flower or Ray: they read these once.
os.environ.update(FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1", RAY_USAGE_STATS_ENABLED="0")
# And before anything imports rich: a console keeps for good the width that it finds here, and tests read lines.
os.environ.pop("COLUMNS", None)

import pytest
import torch
from jaxtyping import install_import_hook

torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("client", "modalities", "server", "simulations", "strategies")
STATES_SHAPES = ("from jaxtyping import", "from simulations.scores.metrics import")


def pytest_configure(config: pytest.Config) -> None:
    """Check array shapes at every call, in the modules that state some: anywhere else a check would only cost time.

    The slow tests are of whole programs and go without; the fast ones run the same functions.
    """
    if config.option.markexpr != "slow":
        files = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")]
        texts = {module_name(path): path.read_text(encoding="utf-8") for path in files}
        stating = [name for name, text in texts.items() if any(line in text for line in STATES_SHAPES)]
        install_import_hook(stating, "beartype.beartype")


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(scope="session")
def tcga_data() -> Path:
    """Folder of the real tables (`tcga-brca/`, `slides/`): $TESSERA_DATA, else ../shared/data beside the repository."""
    folder = Path(os.environ.get("TESSERA_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set TESSERA_DATA to the folder that holds tcga-brca/")
    return folder
