"""What runs at the coordinator: Flower's ServerApp."""

import json
from collections.abc import Mapping
from logging import INFO
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from modalities.core.release.release import open_release
from modalities.core.release.signing import release_key
from modalities.core.settings.federation import Federation
from server.audit.grid import ReceiptGrid
from server.audit.receipts import AUDIT_FILE, Receipts
from server.phases.example import example_federation
from server.phases.options import Options
from server.phases.order import run_study
from server.phases.released import evaluate_release
from server.state.checkpoint import CHECKPOINT
from server.state.evaluation import write_evaluation
from server.state.notes import WARNING, Note
from server.state.release import made_by, study_of, write_release
from server.state.study import StudyState
from strategies.flower.log import log
from strategies.flower.replies import whole_replies
from strategies.masking.roster import read_public_key, rosters_in
from strategies.packing import PackingGrid
from strategies.settings import load_federation

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the study that the run config names, and write its release below `out`; or let its sites score a release.

    Raises:
        ValueError: a path of the run config is relative: this process runs in a folder of Flower's.
    """
    config = context.run_config
    _refuse_relative_paths(config)
    federation = _federation(str(config.get("federation", "")), int(config.get("seed", 0)))
    out = Path(str(config.get("out", "")) or Path.home() / ".tessera" / f"run-{context.run_id}")
    nodes = _nodes(str(config.get("nodes", "")))
    grid = _with_receipts(PackingGrid(whole_replies(grid)), out, nodes, str(config.get("release-key", "")))
    options = Options(
        checkpoint=out / CHECKPOINT,
        timeout=float(config.get("round-timeout", 600)),
        sites=int(config.get("sites", 0)),
        wait=float(config.get("wait", 120)),
        status=out,
        enrolled={node_id: node["site"] for node_id, node in nodes.items()},
        rosters=rosters_in(Path(str(config["rosters"]))) if config.get("rosters") else (),
        notes=lambda: _notes_of(grid),
        report=lambda event: log(INFO, "tessera: %s", event),
    )
    log(INFO, "tessera: checkpoint and release go to %s", out)
    if config.get("release"):
        write_evaluation(out, evaluate_release(grid, _released(config, federation), options))
        return
    study = run_study(grid, federation, options)
    write_release(out / "release", study, made_by(str(config.get("code", ""))))
    log(INFO, "tessera: release written to %s", out / "release")


def _released(config: Mapping[str, object], federation: Federation) -> StudyState:
    """The release to be scored, which is the one whose signature was checked.

    Raises:
        ValueError: it is another one, or of other settings.
    """
    folder = Path(str(config["release"]))
    release = open_release(folder)
    if release.digest != config.get("release-digest") or release.federation.digest != federation.digest:
        raise ValueError(f"{folder}: another release than the one whose signature was checked, or of other settings")
    return study_of(release)


def _nodes(path: str) -> dict[int, dict[str, str]]:
    """Node id -> site and key, as the coordinator registered them; empty where the run names no list."""
    listed = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    return {int(node_id): node for node_id, node in listed.items()}


def _with_receipts(grid: Grid, out: Path, nodes: Mapping[int, Mapping[str, str]], key: str) -> Grid:
    """The grid, which also countersigns heads of the sites' audit logs where the run names a key to do it with."""
    if not key:
        return grid
    keys = {node["site"]: read_public_key(f"ecdsa-sha2-nistp384 {node['key']}".encode()) for node in nodes.values()}
    sites = {node_id: node["site"] for node_id, node in nodes.items()}
    return ReceiptGrid(grid, Receipts(out / AUDIT_FILE, release_key(Path(key)), keys), sites)


def _notes_of(grid: Grid) -> list[Note]:
    """What the grid has to say of audit logs, each once."""
    if not isinstance(grid, ReceiptGrid):
        return []
    warnings, grid.warnings = grid.warnings, []
    return [Note(WARNING, site, "*", text) for site, text in warnings]


def _refuse_relative_paths(config: Mapping[str, object]) -> None:
    names = ("federation", "site-root", "out", "nodes", "rosters", "release-key", "release")
    paths = {key: str(config.get(key, "")) for key in names}
    relative = [f"{key}={path!r}" for key, path in paths.items() if path and not Path(path).is_absolute()]
    if relative:
        raise ValueError(f"run config: give the whole path, from / on, got {', '.join(relative)}")


def _federation(path: str, seed: int) -> Federation:
    return load_federation(Path(path)) if path else example_federation(seed)
