"""What a node keeps of a run from message to message, in Flower's context: the rest lies on the site's disk."""

from collections.abc import Mapping
from logging import getLogger

from flwr.app import ArrayRecord, ConfigRecord, Context

from client.audit.facts import tell
from client.study.session import SETTINGS, ClientStudy, federation_of, site_data, site_folder
from client.study.settled import NotSettledError, home_of
from modalities.core.contract import Sums
from modalities.core.site.shelf import Shelf
from modalities.core.site.store import SiteData
from strategies.checks import CLASS_COUNTS
from strategies.wire import Weights, from_record, record_of, to_record

_LOG = getLogger("tessera.client")
ROLL, SITE, STATE, DIGEST, OUTPUTS, HOLDERS = "roll", "site", "state.", "digest.", "outputs.", "holders."
_SUMS = "sums."
"""Keys of the context, and of its record of settings: whose they are stands behind the dot."""


def data_of(context: Context) -> SiteData:
    """This node's site folder under the settings that it was sent.

    Raises:
        NotSettledError: the context holds none, as after a restart.
    """
    if SETTINGS not in context.state:
        raise NotSettledError("no settings in this run yet: the server sends them first")
    text = str(record_of(context.state, SETTINGS, ConfigRecord)["federation"])
    folder = site_folder(context.node_config, context.run_config, federation_of(text))
    roll = record_of(context.state, ROLL, ConfigRecord) if ROLL in context.state else None
    home = home_of(context)
    data = site_data(folder, text, roll, Shelf(home.prepared) if home else None)
    own = data.config.coordinator
    tell(study=data.federation.digest, agreed=bool(own.federation), coordinator=own.address)
    return data


def keep_roll(context: Context, data: SiteData) -> None:
    """Let the rest of the run train on the cases that it begins with; what they hold later processes find on disk."""
    if ROLL in context.state:
        return
    context.state[ROLL] = ConfigRecord(data.roll.to_plain())
    for name in data.modalities if home_of(context) and not data.config.only_evaluates else ():
        data.values(name)


def keep_sums(context: Context, sums: Mapping[str, Sums]) -> None:
    """Let a real site keep its own part of the statistics, to be compared with what all share."""
    for name, own in sums.items() if home_of(context) else ():
        context.state[_SUMS + name] = to_record(own)


def kept_sums(context: Context) -> dict[str, Sums]:
    """This site's own part, by modality; nothing where no statistics were asked for in this run, as after a restart."""
    return _below(context, _SUMS)


def study_of(context: Context) -> ClientStudy:
    """The study from what `setup` left in the context.

    Raises:
        NotSettledError: the settings are of the handshake, and no setup followed.
    """
    data, states = data_of(context), _below(context, STATE)
    if not states:
        raise NotSettledError("no shared statistics in this run yet: the server sends them first")
    if data.case_list_changed:
        n, file = len(data.roll.case_ids), data.config.cases
        _LOG.warning("%s was changed since this run began, which goes on with the %d cases and folds of then", file, n)
    held = record_of(context.state, SETTINGS, ConfigRecord)
    counts = held.get(CLASS_COUNTS, ())
    digests = {name: str(held[DIGEST + name]) for name in states}
    holders = {name: int(held[HOLDERS + name]) for name in states}  # pyright: ignore
    return ClientStudy(data, states, digests, counts, holders, home_of(context))  # pyright: ignore


def kept_outputs(context: Context) -> dict[str, Weights]:
    """What the closing evaluation left in the context.

    Raises:
        NotSettledError: nothing, as after a restart.
    """
    kept = _below(context, OUTPUTS)
    if not kept:
        raise NotSettledError("no outputs of the final branches in this run yet: the server asks for them first")
    return kept


def _below(context: Context, prefix: str) -> dict[str, Weights]:
    keys = [key for key in context.state if key.startswith(prefix)]
    return {key.removeprefix(prefix): from_record(record_of(context.state, key, ArrayRecord)) for key in keys}
