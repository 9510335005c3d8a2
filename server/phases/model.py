"""The finished model as messages carry it: the head's parameters for a site's modalities, and the branches."""

from collections.abc import Mapping
from typing import Any

from flwr.app import RecordDict

from server.state.study import StudyState
from strategies.checks import Holder
from strategies.wire import ARRAYS, CONFIG, FUSION, SHARED, STUDY, Weights, config_record, to_record


def head_by_owner(study: StudyState) -> dict[str, Weights]:
    """The fitted head's parameters."""
    head: dict[str, Weights] = {}
    for key, array in study.head.items():
        owner, _, name = key.partition(".")
        head.setdefault(owner, {})[name] = array
    return head


def head_content(study: StudyState, holder: Holder, sent: Mapping[str, Any]) -> RecordDict:
    """The fitted head's parameters for the site's modalities; none of them to a site with one modality."""
    content = RecordDict({CONFIG + STUDY: config_record({"head": study.head_name, **sent})})
    head = head_by_owner(study)
    for owner in (*holder.cohorts, SHARED) if len(holder.cohorts) > 1 else ():
        if owner in head:
            content[ARRAYS + FUSION + owner] = to_record(head[owner])
    return content


def final_branches(study: StudyState) -> dict[str, Weights]:
    """By modality, the branch that a release predicts with."""
    return {name: study.weights[name] for name in study.federation.modalities if name in study.weights}
