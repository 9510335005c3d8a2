"""What a run reads beside its code is in the bundle that brings the code."""

import zipfile
from io import BytesIO
from pathlib import Path

from strategies.bundle import REPOSITORY, staged_app
from strategies.flower.bundles import build


def test_the_bundle_holds_the_template_of_the_card_that_a_run_writes(tmp_path: Path):
    with zipfile.ZipFile(BytesIO(build(staged_app(REPOSITORY, tmp_path / "app")))) as packed:
        assert "server/state/card.md" in packed.namelist()
