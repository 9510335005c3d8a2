"""A finished model, as a release has it, scored by sites without any training."""

from collections.abc import Sequence

from flwr.serverapp import Grid

from server.phases.attendance import NOT_IN_RELEASE, Attendance
from server.phases.evaluation.phase import evaluate_model
from server.phases.handshake import introduce, send_setup, wait_for_nodes
from server.phases.options import Options
from server.phases.sites import Sites
from server.state.notes import INFO
from server.state.study import StudyState
from strategies.checks import Holder


def evaluate_release(grid: Grid, released: StudyState, options: Options) -> StudyState:
    """The study of a release with its evaluation; it goes on from the checkpoint, if there is one.

    A site that trains scores its test cases, one that only evaluates all of its cases. There are no out-of-fold numbers
    of the federated model: the copies that never saw a case are scored in the run that trained them only.

    Raises:
        ValueError: the checkpoint is damaged or belongs to other settings.
        RuntimeError: too few sites are there, or answered; what was gathered stands in the checkpoint.
    """
    study, path = released, options.checkpoint
    if path is not None and path.is_file():
        study = StudyState.load(path, released.federation)
    study.finished = study.evaluation.done
    if not study.finished:
        evaluate_model(_attendance(grid, study, options))
        study.finished = True
        options.step(study, {"phase": "finished"})
    return study


def _attendance(grid: Grid, study: StudyState, options: Options) -> Attendance:
    """All sites with data for one of the release's branches, each with the settings and the shared statistics."""
    sites = Sites(grid, study, options)
    sites.is_released = True
    nodes = wait_for_nodes(sites)
    introduced = [*introduce(sites, nodes), *sites.evaluators.values()]
    holders = _with_branches(sites, sorted(introduced, key=lambda holder: holder.site))
    if not holders:
        raise RuntimeError("no site has data that this release can score; the sites' logs say why")
    options.tell(study, {"phase": "handshake", "sites": [holder.site for holder in holders]})
    settled = send_setup(sites, sites.agreed_on_keys(holders))
    attendance = Attendance(grid, study, options, settled, nodes, sites.keyring)
    able = {holder.site for holder in holders}
    attendance.is_released = True
    attendance.evaluators = {site: holder for site, holder in sites.evaluators.items() if site in able}
    return attendance


def _with_branches(sites: Sites, holders: Sequence[Holder]) -> list[Holder]:
    """The sites with those of their modalities that the release has a branch of."""
    left = []
    for holder in holders:
        cohorts = {name: n for name, n in holder.cohorts.items() if name in sites.study.states}
        for name in [name for name in holder.cohorts if name not in cohorts]:
            sites.note(INFO, holder.site, name, NOT_IN_RELEASE)
        left += [Holder(holder.node_id, holder.site, cohorts)] if cohorts else []
    return left
