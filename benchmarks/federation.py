"""Rounds on the inline engine against a bare PyTorch loop that does the same work: time, memory, and equal weights.

Each round of ours is followed by one of the floor's in the same process, and the ratio is taken pair by pair, so that
what else the machine does weighs on both. Memory is measured in a process of its own for each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.flower import measure_flower
from benchmarks.inline import interleaved
from benchmarks.measure import aligned, machine, quartiles, tell
from benchmarks.workloads import WORKLOADS, Workload

_SAME = 1e-6
_MEMORY_ROUNDS = 3
_REPOSITORY = Path(__file__).resolve().parents[1]
_HEADER = ("workload", "engine", "CPU s", "wall s", "CPU / floor (quartiles)", "goal", "peak MiB", "over floor", "goal")


def main() -> None:
    """Measure, print the table, and fail where the floor did other work than ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; default: all")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each; default: the workload's own")
    parser.add_argument("--flower", action="store_true", help="also W1 in Flower's simulation engine; takes minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    arguments = parser.parse_args()
    names = arguments.workloads or list(WORKLOADS)
    if unknown := sorted(set(names) - set(WORKLOADS)):
        parser.error(f"no such workload: {', '.join(unknown)}")
    torch.set_num_threads(1)
    figures: dict[str, Any] = {"machine": machine(), "workloads": {}}
    with tempfile.TemporaryDirectory(prefix="tessera-bench-") as root:
        for name in names:
            with_flower = arguments.flower and name == "W1"
            found = measure(WORKLOADS[name], Path(root), arguments.rounds or WORKLOADS[name].rounds, with_flower)
            figures["workloads"][name] = found
    print(table(figures))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(workload: Workload, root: Path, rounds: int, with_flower: bool) -> dict[str, Any]:
    """All figures of one workload.

    Raises:
        RuntimeError: ours and the floor end with different weights: the floor is no floor then.
    """
    tell(f"{workload.name}: writing {len(workload.cases)} site folders")
    folder = workload.write(root)
    found: dict[str, Any] = {"model_mib": workload.model_mib, "rounds": rounds}
    for engine, checkpoint in (("inline", None), ("inline + checkpoint", root / "checkpoint.safetensors")):
        tell(f"{workload.name}: {rounds} rounds, {engine}")
        run = interleaved(workload, folder, rounds, checkpoint)
        if max(run.differences) > _SAME:
            raise RuntimeError(f"{workload.name}: weights differ from the floor's by up to {max(run.differences):g}")
        ratios = [ours / floor for ours, floor in zip(run.ours.cpu, run.floors.cpu, strict=True)]
        found[engine] = {
            "cpu_s": median(run.ours.cpu),
            "wall_s": median(run.ours.wall),
            "ratio": quartiles(ratios),
            "difference": max(run.differences),
        }
        found.setdefault("floor", {"cpu_s": median(run.floors.cpu), "wall_s": median(run.floors.wall)})
    for engine in ("floor", "inline", "inline + checkpoint"):
        tell(f"{workload.name}: memory, {engine}")
        found[engine]["peak_mib"] = _peak_mib(engine, workload, folder)
    if with_flower:
        tell(f"{workload.name}: {rounds} rounds, flwr simulation")
        found["flwr simulation"] = measure_flower(workload, folder, rounds)
    return found


def table(figures: dict[str, Any]) -> str:
    """The figures as aligned columns."""
    rows = [_HEADER]
    for name, found in figures["workloads"].items():
        engines = [engine for engine, own in found.items() if isinstance(own, dict)]
        rows += [_row(WORKLOADS[name], engine, found) for engine in sorted(engines, key=_order)]
    return "\n".join([figures["machine"], "", aligned(rows)])


def _row(workload: Workload, engine: str, found: dict[str, Any]) -> tuple[str, ...]:
    own, floor = found[engine], found["floor"]
    ratio = f"{own['ratio'][1]:.2f} ({own['ratio'][0]:.2f} to {own['ratio'][2]:.2f})" if "ratio" in own else ""
    if engine == "flwr simulation":
        ratio = f"wall: {own['wall_s'] / floor['wall_s']:.1f}"
    return (
        workload.name,
        engine,
        f"{own['cpu_s']:.3f}" if "cpu_s" in own else "",
        f"{own['wall_s']:.3f}",
        ratio,
        f"<= {workload.goal}" if engine == "inline" else "",
        f"{own['peak_mib']:.0f}" if "peak_mib" in own else "",
        _over(workload, own, found) if engine != "floor" else "",
        f"<= {workload.most_models:.0f} models" if engine == "inline" and workload.most_models else "",
    )


def _over(workload: Workload, own: dict[str, float], found: dict[str, Any]) -> str:
    """Memory beyond the floor's; in models where that is the goal."""
    if "peak_mib" not in own:
        return ""
    over = own["peak_mib"] - found["floor"]["peak_mib"]
    return f"{over:+.0f} MiB" + (f" = {over / found['model_mib']:.1f} models" if workload.most_models else "")


def _order(engine: str) -> int:
    return ["floor", "inline", "inline + checkpoint", "flwr simulation"].index(engine)


def _peak_mib(engine: str, workload: Workload, folder: Path) -> float:
    """Peak memory of a few rounds, alone in a process."""
    module, _, checkpoint = engine.partition(" + ")
    command = [sys.executable, "-m", f"benchmarks.{module}", workload.name, str(folder), str(_MEMORY_ROUNDS)]
    command += ["--checkpoint", str(folder / "checkpoint.safetensors")] if checkpoint else []
    done = subprocess.run(command, cwd=_REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["peak_mib"]


if __name__ == "__main__":
    main()
