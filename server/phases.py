"""The phases of a study, in order. Each goes on from what the checkpoint holds and leaves a checkpoint behind."""

from flwr.serverapp import Grid

from modalities.core.federation import Federation
from server.branches import close_branches, train_branches
from server.calibration import calibrate
from server.fusion import fit_fusion
from server.handshake import gather_statistics, handshake, send_setup
from server.options import Options
from server.state import StudyState


def run_study(grid: Grid, federation: Federation, options: Options, start: StudyState | None = None) -> StudyState:
    """All phases up to the release, which the caller writes; `start` may hold the frozen branches of an earlier one.

    Raises:
        ValueError: the checkpoint is damaged or belongs to other settings.
        RuntimeError: a phase got no usable reply from anybody; what was finished stands in the checkpoint.
    """
    study = _begin(federation, options, start)
    if not study.finished:
        holders = handshake(grid, study, options)
        holders = gather_statistics(grid, study, holders, options)
        holders = send_setup(grid, study, holders, options)
        train_branches(grid, study, holders, options)
        close_branches(grid, study, holders, options)
        fit_fusion(grid, study, holders, options)
        calibrate(grid, study, holders, options)
        study.finished = True
        options.step(study, {"phase": "finished"})
    return study


def _begin(federation: Federation, options: Options, start: StudyState | None) -> StudyState:
    if options.checkpoint is not None and options.checkpoint.is_file():
        return StudyState.load(options.checkpoint, federation)
    return start or StudyState(federation)
