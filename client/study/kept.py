"""What a node keeps of a run from message to message, in Flower's context: the rest lies on the site's disk."""

import json
from collections.abc import Mapping
from logging import getLogger

from flwr.app import ArrayRecord, ConfigRecord, Context

from client.audit.facts import tell
from client.node.complaints import COMPLAINT
from client.study.session import SETTINGS, ClientStudy, federation_of, site_data, site_folder
from client.study.settled import NotSettledError, home_of, settled_federation
from modalities.core.contract import Sums
from modalities.core.files.atomic import write_json
from modalities.core.problems import unusable
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
    """Let the study train on the cases that it begins with; what they hold later processes find on disk."""
    if ROLL in context.state:
        return
    plain, home = data.roll.to_plain(), home_of(context)
    context.state[ROLL] = ConfigRecord(plain)
    if home:
        home.rolls.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(home.rolls / data.federation.digest, plain)
    for name in data.modalities if home and not data.config.only_evaluates else ():
        data.values(name)


def take_up_roll(context: Context) -> None:
    """Go on with the cases that a study under way began with, at a site that was restarted since.

    Raises:
        ValueError: what was kept of them cannot be read.
    """
    home, federation = home_of(context), settled_federation(context)
    file = home.rolls / federation.digest if home and federation else None
    if ROLL in context.state or file is None or not file.is_file():
        return
    try:
        context.state[ROLL] = ConfigRecord(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise unusable("cannot be read", "`tessera-client leave`, then join again", file=str(file)) from None


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
        _LOG.warning(
            "%s was changed since this study began, which goes on with the %d cases and folds of then",
            *(file, n),
            extra=COMPLAINT,
        )
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
