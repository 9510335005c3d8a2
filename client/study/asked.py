"""What a message asks of this site, of what the site offers."""

from logging import getLogger

from flwr.app import ArrayRecord, ConfigRecord, Context, Message

from client.node.complaints import COMPLAINT
from client.study.kept import study_of
from client.study.policy import beyond_policy, holders_asked, too_few_holders
from client.study.session import ClientStudy
from modalities.core.site.store import SiteData
from strategies.wire import ARRAYS, CONFIG, FUSION, SHARED, Weights, from_record, owner_of, parts_in, record_of

_LOG = getLogger("tessera.client")


def offered(data: SiteData) -> list[str]:
    """What this site has enough cases of, under settings that its policy allows."""
    return [name for name in data.modalities if not beyond_policy(data.config.policy, data.federation, name)]


def held_by_enough(message: Message, data: SiteData, modalities: list[str]) -> list[str]:
    """Those offered that as many sites hold as this site's policy asks for, by the message's word."""
    offers, reasons = offered(data), {}
    for name in modalities:
        n_holders = holders_asked(name, config_of(message, name))
        enough = too_few_holders(data.config.policy, name, n_holders)
        reasons[name] = enough if name in offers else f"{name}: this site did not offer it"
    for reason in filter(None, reasons.values()):
        _LOG.warning("not taking part with %s", reason, extra=COMPLAINT)
    return [name for name, reason in reasons.items() if not reason]


def arrays_in(message: Message, data: SiteData) -> dict[str, Weights]:
    """The arrays by part.

    Raises:
        ValueError: one is of a modality that this site does not take part with, whatever a server asks.
    """
    content, parts = message.content, parts_in(message.content)
    allowed = offered(data)
    refused = sorted({owner_of(part) for part in parts} - {*allowed, SHARED})
    if refused:
        raise ValueError(f"asked for {', '.join(refused)}: this site takes part with {', '.join(allowed)} only")
    return {part: from_record(record_of(content, ARRAYS + part, ArrayRecord)) for part in parts}


def head_in(message: Message, data: SiteData) -> dict[str, Weights]:
    """The fusion head's parameters by owner: this site's modalities and `shared`."""
    return {part.removeprefix(FUSION): own for part, own in arrays_in(message, data).items()}


def trained_study(context: Context) -> ClientStudy:
    """The study, at a site that trains.

    Raises:
        ValueError: this site only evaluates.
    """
    study = study_of(context)
    if study.data.config.only_evaluates:
        raise ValueError("asked to train: this site only evaluates (takes_part in site.yaml)")
    return study


def config_of(message: Message, part: str) -> ConfigRecord:
    return record_of(message.content, CONFIG + part, ConfigRecord)
