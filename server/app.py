"""What runs at the coordinator: Flower's ServerApp."""

import json
from collections.abc import Mapping
from logging import INFO
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from modalities.core.settings.federation import Federation
from server.phases.example import example_federation
from server.phases.options import Options
from server.phases.order import run_study
from server.state.release import write_release
from strategies.flower.log import log
from strategies.flower.polling import look_often_for_replies
from strategies.packing import PackingGrid
from strategies.settings import load_federation

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the study that the run config names, and write its release below `out`.

    Raises:
        ValueError: a path of the run config is relative: this process runs in a folder of Flower's.
    """
    config = context.run_config
    _refuse_relative_paths(config)
    look_often_for_replies()
    federation = _federation(str(config.get("federation", "")), int(config.get("seed", 0)))
    out = Path(str(config.get("out", "")) or Path.home() / ".tessera" / f"run-{context.run_id}")
    options = Options(
        checkpoint=out / "checkpoint.safetensors",
        timeout=float(config.get("round-timeout", 600)),
        sites=int(config.get("sites", 0)),
        wait=float(config.get("wait", 120)),
        status=out,
        enrolled=_enrolled(str(config.get("nodes", ""))),
        report=lambda event: log(INFO, "tessera: %s", event),
    )
    log(INFO, "tessera: checkpoint and release go to %s", out)
    study = run_study(PackingGrid(grid), federation, options)
    write_release(out / "release", study)
    log(INFO, "tessera: release written to %s", out / "release")


def _enrolled(path: str) -> dict[int, str]:
    """Node id -> site, as the coordinator registered them; empty where the run names no list."""
    listed = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    return {int(node_id): node["site"] for node_id, node in listed.items()}


def _refuse_relative_paths(config: Mapping[str, object]) -> None:
    paths = {key: str(config.get(key, "")) for key in ("federation", "site-root", "out", "nodes")}
    relative = [f"{key}={path!r}" for key, path in paths.items() if path and not Path(path).is_absolute()]
    if relative:
        raise ValueError(f"run config: give the whole path, from / on, got {', '.join(relative)}")


def _federation(path: str, seed: int) -> Federation:
    return load_federation(Path(path)) if path else example_federation(seed)
