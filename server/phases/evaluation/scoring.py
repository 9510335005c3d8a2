"""The finished model goes out, and each site scores its cases with it; nothing of that comes back yet."""

from collections.abc import Mapping, Sequence
from typing import Any

from flwr.app import RecordDict

from modalities.core.model.calibration import TEMPERATURE
from server.phases.agreed import agreed_on
from server.phases.model import final_branches, head_by_owner, head_content
from server.phases.sites import Sites
from strategies.checks import Holder, Refusal
from strategies.evaluation.wire import SCORING
from strategies.wire import ARRAYS, to_record


def scored_by(sites: Sites, holders: Sequence[Holder]) -> set[str]:
    """Let these sites score the model; the names of those that did."""
    temperature = sites.study.calibration.get(TEMPERATURE, [1.0])
    sent = {"temperature": float(temperature[0]), **agreed_on_model(sites)}
    questions = [(holder, _model_for(sites, holder, sent)) for holder in holders]
    return {holder.site for holder, _ in sites.ask(SCORING, questions, _done)}


def agreed_on_model(sites: Sites) -> dict[str, Any]:
    """The digests of all that a site may be sent of it; nothing without masks."""
    return agreed_on(sites, head_by_owner(sites.study), final_branches(sites.study))


def _model_for(sites: Sites, holder: Holder, sent: Mapping[str, Any]) -> RecordDict:
    content = head_content(sites.study, holder, sent)
    branches = final_branches(sites.study)
    for name in [name for name in holder.cohorts if name in branches]:
        content[ARRAYS + name] = to_record(branches[name])
    return content


def _done(holder: Holder, answer: RecordDict) -> tuple[bool, list[Refusal]]:
    """Reads an answer that says no more than that it is done."""
    del holder, answer
    return True, []
