"""What the site's own log says of its data when a study begins."""

from logging import getLogger

from client.check.values import absent_features
from client.node.complaints import COMPLAINT
from modalities.core.files.remarks import remarked
from modalities.core.site.store import SiteData

_LOG = getLogger("tessera.client.data")


def say_what_is_wrong(data: SiteData) -> None:
    """Modalities that cannot be used, features without values, and what readers remarked."""
    with remarked() as heard:
        for name, reason in data.unusable.items():
            _LOG.error("not taking part with %s: %s", name, reason, extra=COMPLAINT)
        for reason in absent_features(data):
            _LOG.warning("%s", reason)
    for problem in heard:
        (_LOG.warning if problem.level == "warning" else _LOG.info)("%s", problem)
