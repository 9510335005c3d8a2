"""What a site looks at before it takes part in a study at all: each says yes, and tells the site why, to refuse."""

from logging import getLogger

from flwr.app import Context

from client.node.complaints import COMPLAINT
from client.study.answered import trained_for
from client.study.policy import not_agreed
from client.study.session import SETTINGS
from client.study.settled import home_of
from client.study.spent import beyond_budget
from modalities.core.site.store import SiteData

_LOG = getLogger("tessera.client")


def is_other_than_agreed(data: SiteData, context: Context) -> bool:
    """Whether the site did not agree to these settings; then every later request of this run is refused."""
    reason = not_agreed(data.config, data.folder, data.federation, is_real=home_of(context) is not None)
    if reason:
        _LOG.error("not taking part: %s", reason, extra=COMPLAINT)
        del context.state[SETTINGS]
    return bool(reason)


def is_beyond_budget(data: SiteData, context: Context) -> bool:
    """Whether the study would spend of the patients' privacy what this site does not allow; then it takes no part."""
    home = home_of(context)
    reason = beyond_budget(home, data.federation, data.config.policy) if home else ""
    if reason:
        _LOG.error("not taking part: %s", reason, extra=COMPLAINT)
    return bool(reason)


def is_no_external(data: SiteData, context: Context) -> bool:
    """Whether a site that only evaluates trained the model before: its cases would pass for an external validation."""
    home = home_of(context)
    if not (home and data.config.only_evaluates and trained_for(home, data.federation.digest)):
        return False
    _LOG.error(
        "not taking part: site.yaml says takes_part: evaluate, but its cases were trained on in a study of these "
        "settings; leave `takes_part` out, and the cases kept for testing are scored",
        extra=COMPLAINT,
    )
    return True
