"""What runs inside a site when a message comes: Flower's ClientApp.

Every reply is built here: counts, sums, weights, losses. An exception leaves as a code, never as a text.
"""

from logging import getLogger
from typing import Any

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from client.audit.facts import tell
from client.check.values import absent_features
from client.masking.agreed import check_agreed, keep_closing
from client.masking.masked import masked
from client.masking.opened import opened
from client.masking.run_keys import accept_peers
from client.masking.run_keys import introduction as introduction_of
from client.masking.settled import SITE
from client.node.complaints import COMPLAINT
from client.study.answered import count_round, digest_of_request
from client.study.calibration import conformal_counts, temperature_losses
from client.study.fusion import fusion_answer, held_out_outputs
from client.study.mods import (
    NotSettledError,
    accounted_only,
    as_it_was_asked,
    audited,
    home_of,
    without_exception_text,
)
from client.study.policy import (
    beyond_policy,
    class_numbers,
    holders_asked,
    not_agreed,
    question_asked,
    round_asked,
    temperature_asked,
    too_few_holders,
)
from client.study.private import in_sums_of
from client.study.rounds import score_part, train_part
from client.study.session import (
    SETTINGS,
    ClientStudy,
    announced_cases,
    blurred_class_counts,
    federation_of,
    site_data,
    site_folder,
    sums_of,
)
from client.study.spent import beyond_budget
from modalities.core.site.shelf import Shelf
from modalities.core.site.store import SiteData, digest_of
from strategies.checks import CLASS_COUNTS, HELD_OUT_LOSS, HELD_OUT_N, LOSS, LOSSES, NUM_EXAMPLES
from strategies.masked_exchange.wire import MASKING
from strategies.wire import (
    ARRAYS,
    CONFIG,
    FUSION,
    METRICS,
    SHARED,
    STUDY,
    Weights,
    from_record,
    owner_of,
    parts_in,
    record_of,
    to_record,
)

_LOG, _DATA_LOG = getLogger("tessera.client"), getLogger("tessera.client.data")
_ROLL, _STATE, _DIGEST, _OUTPUTS = "roll", "state.", "digest.", "outputs."
_HOLDERS = "holders."

# Sums over several threads depend on how many they are: with one, every engine adds in the same order.
torch.set_num_threads(1)


app = ClientApp(mods=[without_exception_text, as_it_was_asked, audited, accounted_only, masked])


@app.query("capabilities")
def capabilities(message: Message, context: Context) -> Message:
    """Phase 1: which of the study's modalities this site has, and how many training cases of each.

    Here the files are read: what later messages need of them is kept, in the context and on the site's disk.
    """
    sent = _config(message, STUDY)["federation"]
    if SETTINGS not in context.state or sent != record_of(context.state, SETTINGS, ConfigRecord)["federation"]:
        context.state.clear()  # what was kept under other settings
        context.state[SETTINGS] = ConfigRecord({"federation": sent})
    data = _data(context)
    introduction: dict[str, Any] = {"site": data.config.name, "digest": data.federation.digest}
    if _is_other_than_agreed(data, context) or _is_beyond_budget(data, context):
        return Message(RecordDict({CONFIG + STUDY: ConfigRecord(introduction)}), reply_to=message)
    if _ROLL not in context.state:
        _say_what_is_wrong(data)
        _keep_roll(context, data)
    introduction |= _keys(context, data)
    for name in data.modalities:
        for reason in beyond_policy(data.config.policy, data.federation, name):
            _LOG.warning("not taking part with %s", reason, extra=COMPLAINT)
    cohorts = {METRICS + name: _metrics(announced_cases(data, name)) for name in _offered(data)}
    return Message(RecordDict({CONFIG + STUDY: ConfigRecord(introduction), **cohorts}), reply_to=message)


@app.query("peers")
def peers(message: Message, context: Context) -> Message:
    """Phase 1, under masks: the keys of all sites, accepted if the roster's node keys signed them."""
    data = _data(context)
    accept_peers(context, home_of(context), data.federation.digest, data.config.name, _config(message, STUDY))
    return Message(RecordDict(), reply_to=message)


@app.query("unmask")
def unmask(message: Message, context: Context) -> Message:
    """After every masked exchange: this site's shares of what opens the sum, and nothing else."""
    return Message(opened(message, context), reply_to=message)


@app.query("counts")
def counts(message: Message, context: Context) -> Message:
    """Phase 2, under masks: how many training cases there are by class, and with each feature.

    Raises:
        ValueError: the study's settings want no masks: then counts leave with the statistics, blurred.
    """
    data, reply = _data(context), RecordDict()
    if not data.federation.privacy.is_masked:
        raise ValueError("counts alone are asked for under masks only")
    asked = [name for name in parts_in(message.content, CONFIG) if name not in (STUDY, MASKING)]
    for name, (sums, n_cases) in sums_of(data, _held_by_enough(message, data, asked), exact=True).items():
        reply[ARRAYS + name] = to_record({"n": sums["n"]})
        reply[METRICS + name] = _metrics(n_cases)
    by_class = data.class_counts().astype(np.float64)
    reply[ARRAYS + STUDY], reply[METRICS + STUDY] = to_record({CLASS_COUNTS: by_class}), _metrics(int(by_class.sum()))
    return Message(reply, reply_to=message)


@app.query("statistics")
def statistics(message: Message, context: Context) -> Message:
    """Phase 2: the plug-ins' sums over the training cases, and the class counts.

    Nothing is said of a modality that too few sites hold for this site's policy.
    """
    data, reply = _data(context), RecordDict()
    asked = [name for name in parts_in(message.content, CONFIG) if name not in (STUDY, MASKING)]
    known = _arrays(message, data) if data.federation.privacy.is_masked else {}
    for name, (sums, n_cases) in sums_of(data, _held_by_enough(message, data, asked), known).items():
        reply[ARRAYS + name], reply[METRICS + name] = to_record(sums), _metrics(n_cases)
    if not data.federation.privacy.is_masked:  # else they left exactly, in a sum
        by_class = blurred_class_counts(data)
        reply[ARRAYS + STUDY] = to_record({CLASS_COUNTS: by_class})
        reply[METRICS + STUDY] = _metrics(int(by_class.sum()))
    return Message(reply, reply_to=message)


@app.query("setup")
def setup(message: Message, context: Context) -> Message:
    """Take in the settings and the shared statistics; they stay in the context for the rounds of this run.

    The reply names the modalities taken: one that too few sites hold for this site's policy is not among them.
    """
    settings = _config(message, STUDY)
    known = {"federation": settings["federation"]}
    if SETTINGS not in context.state:  # a node that was started anew had no handshake
        context.state[SETTINGS] = ConfigRecord(known)
    if known["federation"] != record_of(context.state, SETTINGS, ConfigRecord)["federation"]:
        raise ValueError("other settings than in the handshake")
    data, digests, reply = _data(context), {}, RecordDict()
    if _is_other_than_agreed(data, context):
        raise ValueError("other settings than this site agreed to")
    if CLASS_COUNTS in settings:
        known[CLASS_COUNTS] = class_numbers(data.federation, settings, CLASS_COUNTS)  # pyright: ignore
    _keep_roll(context, data)
    for key in [key for key in context.state if key.startswith(_STATE)]:
        del context.state[key]  # of a setup before this one, which more sites held
    for name in _held_by_enough(message, data, parts_in(message.content)):
        record = record_of(message.content, ARRAYS + name, ArrayRecord)
        context.state[_STATE + name], state = record, from_record(record)
        digests[_DIGEST + name] = digest_of(state)
        if home_of(context):
            data.training(name, state, digests[_DIGEST + name])  # and every round finds it prepared
        known[_HOLDERS + name] = holders_asked(name, _config(message, name))
        reply[METRICS + name] = _metrics(announced_cases(data, name))
    context.state[SETTINGS] = ConfigRecord({**known, **digests})
    if keys := _keys(context, data):
        reply[CONFIG + STUDY] = ConfigRecord(keys)
    return Message(reply, reply_to=message)


@app.train("branches")
def train_branches(message: Message, context: Context) -> Message:
    """Phase 3: train each part that came, and score the weights as they came on the held-out fold."""
    study, reply, home = _study(context), RecordDict(), home_of(context)
    if study.federation.privacy.is_masked:
        study = in_sums_of(study, record_of(message.content, CONFIG + MASKING, ConfigRecord))
    policy = study.data.config.policy
    for part, weights in _arrays(message, study.data).items():
        server_round, pull = round_asked(policy, study.federation, part, _config(message, part))
        if home:
            asked = digest_of_request(weights, server_round, pull)
            count_round(home, study.federation.digest, part, asked, policy.max_rounds)
        trained, metrics = train_part(study, part, weights, server_round, pull)
        reply[ARRAYS + part], reply[METRICS + part] = to_record(trained), MetricRecord(metrics)
    return Message(reply, reply_to=message)


@app.evaluate("branches")
def evaluate_branches(message: Message, context: Context) -> Message:
    """Closing evaluation: score the final weights, and keep their outputs inside the site for the fusion head."""
    study, reply = _study(context), RecordDict()
    weights = _arrays(message, study.data)
    for part, own in weights.items():
        reply[ARRAYS + part], reply[METRICS + part] = ArrayRecord(), MetricRecord(score_part(study, part, own))
    keep_closing(context, weights)
    for modality, outputs in held_out_outputs(study, weights).items():
        context.state[_OUTPUTS + modality] = to_record(outputs)
    return Message(reply, reply_to=message)


@app.train("fusion")
def train_fusion(message: Message, context: Context) -> Message:
    """Phase 4: loss and gradient of the fusion head asked for, summed over this site's cases."""
    study, reply, kept = _study(context), RecordDict(), _kept_outputs(context)
    check_agreed(message, context)
    parameters, config = _head(message, study.data), _config(message, STUDY)
    question, weights = question_asked(study.federation, config)
    gradient, found, n_cases = fusion_answer(study, kept, parameters, question, weights)
    losses = {LOSS: found.loss, HELD_OUT_LOSS: found.held_out, HELD_OUT_N: found.n_held_out}
    for owner, arrays in gradient.items():
        reply[ARRAYS + FUSION + owner] = to_record(arrays)
        # Once: summed over the sites that hold this or that modality, they would differ by a single site's.
        reply[METRICS + FUSION + owner] = _metrics(n_cases, **(losses if owner == SHARED else {}))
    return Message(reply, reply_to=message)


@app.query("calibration")
def calibration(message: Message, context: Context) -> Message:
    """Phase 5: the fused model's loss at every temperature, summed over this site's cases."""
    study = _study(context)
    check_agreed(message, context)
    head = str(_config(message, STUDY)["head"])
    losses = temperature_losses(study, head, _kept_outputs(context), _head(message, study.data))
    return Message(RecordDict({ARRAYS + SHARED: to_record({LOSSES: losses})}), reply_to=message)


@app.query("conformal")
def conformal(message: Message, context: Context) -> Message:
    """Phase 5: histograms by class of the scores that conformal sets are made of."""
    study, config = _study(context), _config(message, STUDY)
    check_agreed(message, context)
    head, temperature = str(config["head"]), temperature_asked(config)
    counts = conformal_counts(study, head, _kept_outputs(context), _head(message, study.data), temperature)
    return Message(RecordDict({ARRAYS + STUDY: to_record({CLASS_COUNTS: counts})}), reply_to=message)


def _head(message: Message, data: SiteData) -> dict[str, Weights]:
    """The fusion head's parameters by owner: this site's modalities and `shared`."""
    return {part.removeprefix(FUSION): own for part, own in _arrays(message, data).items()}


def _data(context: Context) -> SiteData:
    """This node's site folder under the settings that it was sent.

    Raises:
        NotSettledError: the context holds none, as after a restart.
    """
    if SETTINGS not in context.state:
        raise NotSettledError("no settings in this run yet: the server sends them first")
    text = str(record_of(context.state, SETTINGS, ConfigRecord)["federation"])
    folder = site_folder(context.node_config, context.run_config, federation_of(text))
    roll = record_of(context.state, _ROLL, ConfigRecord) if _ROLL in context.state else None
    home = home_of(context)
    data = site_data(folder, text, roll, Shelf(home.prepared) if home else None)
    own = data.config.coordinator
    tell(study=data.federation.digest, agreed=bool(own.federation), coordinator=own.address)
    return data


def _keep_roll(context: Context, data: SiteData) -> None:
    """Let the rest of the run train on the cases that it begins with; what they hold later processes find on disk."""
    if _ROLL in context.state:
        return
    context.state[_ROLL] = ConfigRecord(data.roll.to_plain())
    for name in data.modalities if home_of(context) else ():
        data.values(name)


def _keys(context: Context, data: SiteData) -> dict[str, Any]:
    """This site's key for masked sums, where the settings ask for them."""
    context.state[SITE] = ConfigRecord({"name": data.config.name})
    if not data.federation.privacy.is_masked:
        return {}
    return introduction_of(context, home_of(context), data.federation.digest, data.config.name)


def _say_what_is_wrong(data: SiteData) -> None:
    for name, reason in data.unusable.items():
        _DATA_LOG.error("not taking part with %s: %s", name, reason, extra=COMPLAINT)
    for reason in absent_features(data):
        _DATA_LOG.warning("%s", reason)


def _study(context: Context) -> ClientStudy:
    """The study from what `setup` left in the context.

    Raises:
        NotSettledError: the settings are of the handshake, and no setup followed.
    """
    data, states = _data(context), _below(context, _STATE)
    if not states:
        raise NotSettledError("no shared statistics in this run yet: the server sends them first")
    if data.case_list_changed:
        n, file = len(data.roll.case_ids), data.config.cases
        _LOG.warning("%s was changed since this run began, which goes on with the %d cases and folds of then", file, n)
    held = record_of(context.state, SETTINGS, ConfigRecord)
    counts = held.get(CLASS_COUNTS, ())
    digests = {name: str(held[_DIGEST + name]) for name in states}
    holders = {name: int(held[_HOLDERS + name]) for name in states}  # pyright: ignore
    return ClientStudy(data, states, digests, counts, holders, home_of(context))  # pyright: ignore


def _kept_outputs(context: Context) -> dict[str, Weights]:
    """What the closing evaluation left in the context.

    Raises:
        NotSettledError: nothing, as after a restart.
    """
    kept = _below(context, _OUTPUTS)
    if not kept:
        raise NotSettledError("no outputs of the final branches in this run yet: the server asks for them first")
    return kept


def _below(context: Context, prefix: str) -> dict[str, Weights]:
    keys = [key for key in context.state if key.startswith(prefix)]
    return {key.removeprefix(prefix): from_record(record_of(context.state, key, ArrayRecord)) for key in keys}


def _arrays(message: Message, data: SiteData) -> dict[str, Weights]:
    """The arrays by part.

    Raises:
        ValueError: one is of a modality that this site does not take part with, whatever a server asks.
    """
    content, parts = message.content, parts_in(message.content)
    allowed = _offered(data)
    refused = sorted({owner_of(part) for part in parts} - {*allowed, SHARED})
    if refused:
        raise ValueError(f"asked for {', '.join(refused)}: this site takes part with {', '.join(allowed)} only")
    return {part: from_record(record_of(content, ARRAYS + part, ArrayRecord)) for part in parts}


def _offered(data: SiteData) -> list[str]:
    """What this site has enough cases of, under settings that its policy allows."""
    return [name for name in data.modalities if not beyond_policy(data.config.policy, data.federation, name)]


def _is_other_than_agreed(data: SiteData, context: Context) -> bool:
    """Whether the site did not agree to these settings; then every later request of this run is refused."""
    reason = not_agreed(data.config, data.folder, data.federation, is_real=home_of(context) is not None)
    if reason:
        _LOG.error("not taking part: %s", reason, extra=COMPLAINT)
        del context.state[SETTINGS]
    return bool(reason)


def _is_beyond_budget(data: SiteData, context: Context) -> bool:
    """Whether the study would spend of the patients' privacy what this site does not allow; then it takes no part."""
    home = home_of(context)
    reason = beyond_budget(home, data.federation, data.config.policy) if home else ""
    if reason:
        _LOG.error("not taking part: %s", reason, extra=COMPLAINT)
    return bool(reason)


def _held_by_enough(message: Message, data: SiteData, modalities: list[str]) -> list[str]:
    """Those offered that as many sites hold as this site's policy asks for, by the message's word."""
    offered, reasons = _offered(data), {}
    for name in modalities:
        n_holders = holders_asked(name, _config(message, name))
        enough = too_few_holders(data.config.policy, name, n_holders)
        reasons[name] = enough if name in offered else f"{name}: this site did not offer it"
    for reason in filter(None, reasons.values()):
        _LOG.warning("not taking part with %s", reason, extra=COMPLAINT)
    return [name for name, reason in reasons.items() if not reason]


def _config(message: Message, part: str) -> ConfigRecord:
    return record_of(message.content, CONFIG + part, ConfigRecord)


def _metrics(n_cases: int, **values: float | int) -> MetricRecord:
    return MetricRecord({NUM_EXAMPLES: n_cases, **values})
