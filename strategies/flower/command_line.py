"""Flower's command line, answering in JSON: the only way to its runs and nodes that is public."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from strategies.flower.processes import programs

COMPLETED, _FINISHED = "finished:completed", "finished:"
_PATIENCE_S = 180.0


def ask_flower(environment: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """What `flwr` answers, with its settings in this environment's FLWR_HOME.

    Raises:
        RuntimeError: it fails; the message is Flower's.
    """
    command = [str(programs() / "flwr"), *arguments, "--format", "json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    answer = _json_in(done.stdout)
    if done.returncode or answer is None or answer.get("success") is False:
        said = (answer or {}).get("error-message") or done.stdout + done.stderr
        raise RuntimeError(f"flwr {' '.join(arguments[:2])}: {str(said).strip()[-500:]}")
    return answer


def _json_in(text: str) -> dict[str, Any] | None:
    """Flower prints a word or two before its JSON."""
    start = text.find("{")
    try:
        return json.loads(text[start:]) if start >= 0 else None
    except ValueError:
        return None


def is_finished(status: str) -> bool:
    """Whether a run of this status (`running`, `finished:completed`, `finished:failed`, ...) has ended."""
    return status.startswith(_FINISHED)


def details_of(run: Mapping[str, Any]) -> str:
    """What Flower says beside a run's status; empty for its `N/A`."""
    details = str(run.get("status-details") or "")
    return "" if details == "N/A" else details
