"""Work on the machines of a Ray cluster; they share the disk that it reads and writes.

Source: Ray's tasks, https://docs.ray.io/en/latest/ray-core/tasks.html
"""

import logging
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from modalities.core.problems import unusable

RAY = "ray"
RayCluster = Annotated[str, Field(pattern=rf"^{RAY}(:[^:]+:[0-9]+)?$")]
"""`ray`: the cluster that this machine is part of; `ray:HOST:PORT`: the one whose head listens there."""
_TRIES = 3
"""So often a job is begun again elsewhere when its machine is lost."""
_ANSWERS_S = 5.0
Given = TypeVar("Given")
Result = TypeVar("Result")


def run_on_cluster(
    run: Callable[[Given], Result], jobs: Sequence[Given], where: str, gpus: float = 0.0
) -> Iterator[Result]:
    """What each job gives, as they get done, each on one processor of some machine and so much of a GPU.

    A machine that is lost costs the jobs that ran on it: they are begun again on others. When the caller stops, what
    runs is ended.

    Raises:
        ValueError: Ray is not installed, no cluster answers, or a machine does not see this folder.
        Exception: what a job raises, as it is.
    """
    ray = _connected(where)
    begin = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=_TRIES)(_run_there)
    waiting = [begin.remote(run, job, str(Path.cwd())) for job in jobs]
    try:
        while waiting:
            done, waiting = ray.wait(waiting)
            try:
                yield ray.get(done[0])
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
    finally:
        for task in waiting:
            ray.cancel(task, force=True)
        ray.shutdown()


def _connected(where: str) -> Any:
    """Ray, joined to the cluster; it sends nothing to its makers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError as error:
        what, remedy = "Ray is not installed here", "install the extra `simulation` (`make setup`)"
        raise unusable(what, remedy, where="workers") from error
    address = where.removeprefix(RAY).removeprefix(":") or os.environ.get("RAY_ADDRESS", "auto")
    remedy = "start one with `ray start --head`, or name the address that it printed: workers=ray:HOST:PORT"
    try:
        if match := re.fullmatch(r"(.+):(\d+)", address):
            socket.create_connection((match[1], int(match[2])), _ANSWERS_S).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ConnectionError) as error:
        raise unusable(f"no Ray cluster answers at {address}", remedy, where="workers") from error
    return ray


def _run_there(run: Callable[[Given], Result], job: Given, folder: str) -> Result:
    """On one of its machines: in the folder that the command was typed in."""
    try:
        os.chdir(folder)
    except OSError as error:
        what = f"the machine {socket.gethostname()} of the Ray cluster does not see {folder}"
        raise unusable(what, "run the command in a folder of a disk that all its machines share") from error
    return run(job)
