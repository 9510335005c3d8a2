"""The environment that Flower's programs are started with: nothing is installed, looked up or reported at run time.

The variables are Flower's, and described nowhere. Before a run it would call `uv sync` on the bundle, ask its makers
for a newer release, and tell them that it was started.
"""

import os
from pathlib import Path

from strategies.flower.processes import programs

QUIET = {
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
}
ROOMY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
}
"""Up to 128 MiB that a message took is kept for the next one, in large pages (glibc 2.35, malloc(3) and its manual's
tunables): a fresh page for every 4 kB cost as much as what was done with them. What is set already goes first."""
PROMPT = {"FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1"}
"""Work that comes in is taken up at once; Flower's own is 1 s."""
FORKING = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""No thread runs that a fork would lose."""
DIRECT = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
"""No proxy between processes of one machine."""


def environment(flower_home: Path, *before: Path, **more: str) -> dict[str, str]:
    """This process's, made quiet: Flower keeps its files in `flower_home`, and finds programs in `before` first."""
    path = os.pathsep.join(str(folder) for folder in (*before, programs(), os.environ.get("PATH", "")))
    fixed = {"PYTHONUNBUFFERED": "1", **more, "PATH": path, "FLWR_HOME": str(flower_home)}
    return {**ROOMY, **os.environ, **QUIET, **fixed}
