"""A site's own model: trained once a study on its cases alone, in as many pieces as messages leave time for."""

import hashlib
import time
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path

import client
from client.alone.model import ALONE, Fitted, ModelFit, fit_pooled
from client.node.home import Home
from modalities.core.site.shelf import Shelf, code_digest
from modalities.core.site.store import SiteData

_LOG = getLogger("tessera.client")
_FIT = "fit"


def own_model(data: SiteData, home: Home | None, seconds: float = 0.0) -> Fitted | None:
    """The model of this site alone; None while there is training left to do, or where it has no case to train on.

    A real site goes on with the training for so many seconds, and keeps in `.tessera/alone` what is done; with none it
    only looks there. A simulated one trains it from begin to end, and keeps nothing.

    Raises:
        OSError: what was trained cannot be kept, so that it would never end.
    """
    if not data.modalities or data.config.only_evaluates:
        return None
    if home is None:
        return fit_pooled([data], data.federation, f"{ALONE}{data.config.name}") if seconds else None
    return _Kept(data, home).trained(seconds)


@dataclass(frozen=True)
class _Kept:
    """A real site's."""

    data: SiteData
    home: Home

    def trained(self, seconds: float) -> Fitted | None:
        shelf, until = Shelf(self.home.alone), time.monotonic() + seconds
        digest = _digest(self.data)
        kept = shelf.kept(_FIT, digest)
        own = SiteData(self.data.folder, self.data.federation, self.data.roll, shelf)
        fit = ModelFit([own], own.federation, f"{ALONE}{own.config.name}", kept or {})
        if fit.is_trained:
            return fit.fitted()
        if not seconds:
            return None
        is_done = fit.train(until)
        shelf.put(_FIT, digest, fit.to_plain())
        _LOG.info("this site's own model, for comparison: %s", _progress(fit, own))
        if not is_done:
            return None
        shelf.clear_but(_FIT)  # the cases as it was trained on them
        return fit.fitted()


def _digest(data: SiteData) -> str:
    """Of settings, data and code: another model follows from others."""
    key = data.federation.digest, data.training_digest(), code_digest(Path(client.__path__[0]))
    return hashlib.sha256(repr(key).encode()).hexdigest()


def _progress(fit: ModelFit, data: SiteData) -> str:
    each = [
        f"{name} {fit.epochs.get(name, 0)} of up to {data.federation.modalities[name].training.epochs} epochs"
        for name in data.modalities
    ]
    return f"{', '.join(each)}; {'trained' if fit.is_trained else 'it goes on with the next request'}"
