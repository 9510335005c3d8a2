"""The phases of a study, in order. Each goes on from what the checkpoint holds and leaves a checkpoint behind.

To add one: a file beside this that asks by `Sites.ask` and names the reader (strategies/checks.py) of its answers, a
line in `run_study`, a handler in client/app.py, and, where its result is to be kept, a field in server/state/study.py.
"""

from flwr.serverapp import Grid

from modalities.core.settings.federation import Federation
from server.phases.attendance import Attendance
from server.phases.branches import close_branches, train_branches
from server.phases.calibration import calibrate
from server.phases.evaluation.phase import evaluate_model
from server.phases.fusion import fit_fusion
from server.phases.handshake import handshake, send_setup, wait_for_nodes
from server.phases.options import Options
from server.phases.sites import Sites
from server.phases.statistics import gather_statistics
from server.phases.stopwatch import Stopwatch
from server.state.study import StudyState


def run_study(grid: Grid, federation: Federation, options: Options, start: StudyState | None = None) -> StudyState:
    """All phases up to the release, which the caller writes; `start` may hold the frozen branches of an earlier one.

    Raises:
        ValueError: the checkpoint is damaged or belongs to other settings.
        RuntimeError: a phase got no usable reply from anybody; what was finished stands in the checkpoint.
    """
    study = _begin(federation, options, start)
    options.catch_up(study)
    if not study.finished:
        sites = take_attendance(grid, study, options)
        train_branches(sites)
        close_branches(sites)
        if not study.calibration:  # else both are done, and kept
            fit_fusion(sites)
            calibrate(sites)
        evaluate_model(sites)
        study.finished = True
        Stopwatch(study).stop("finished")
        options.step(study, {"phase": "finished"})
    return study


def take_attendance(grid: Grid, study: StudyState, options: Options) -> Attendance:
    """Phases 1 and 2: the sites that take part, each with the settings and the shared statistics."""
    sites = Sites(grid, study, options)
    nodes = wait_for_nodes(sites)
    introduced = sites.agreed_on_keys(handshake(sites, nodes))
    holders = send_setup(sites, gather_statistics(sites, introduced))
    attendance = Attendance(grid, study, options, holders, nodes, sites.keyring)
    attendance.evaluators = sites.evaluators
    return attendance


def _begin(federation: Federation, options: Options, start: StudyState | None) -> StudyState:
    if options.checkpoint is not None and options.checkpoint.is_file():
        return StudyState.load(options.checkpoint, federation)
    return start or StudyState(federation)
