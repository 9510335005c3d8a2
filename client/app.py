"""What runs inside a site when a message comes: Flower's ClientApp.

Every reply is built here: counts, sums, weights, losses. An exception leaves as a code, never as a text.
"""

from logging import getLogger
from typing import Any

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from client.check.study_begins import say_what_is_wrong
from client.evaluation.messages import evaluable, evaluate, score, tell_own, train_alone
from client.masking.agreed import check_agreed, keep_closing
from client.masking.masked import masked
from client.masking.opened import opened
from client.masking.run_keys import accept_peers
from client.masking.run_keys import introduction as introduction_of
from client.node.complaints import COMPLAINT
from client.study.admission import is_beyond_budget, is_no_external, is_other_than_agreed
from client.study.answered import count_round, digest_of_request
from client.study.asked import arrays_in, config_of, head_in, held_by_enough, offered, trained_study
from client.study.calibration import conformal_counts, temperature_losses
from client.study.compared import compare
from client.study.fusion import fusion_answer, held_out_outputs
from client.study.kept import (
    DIGEST,
    HOLDERS,
    OUTPUTS,
    ROLL,
    SITE,
    STATE,
    data_of,
    keep_roll,
    keep_sums,
    kept_outputs,
    kept_sums,
    take_up_roll,
)
from client.study.mods import accounted_only, as_it_was_asked, audited, without_exception_text
from client.study.policy import (
    beyond_policy,
    cases_asked,
    class_numbers,
    holders_asked,
    question_asked,
    round_asked,
    temperature_asked,
    too_large,
)
from client.study.private import in_sums_of
from client.study.rounds import score_part, train_part
from client.study.session import SETTINGS, announced_cases, blurred_class_counts, sums_of
from client.study.settled import home_of
from modalities.core.device import device_problems
from modalities.core.problems import check
from modalities.core.site.store import SiteData, digest_of
from strategies.checks import CLASS_COUNTS, HELD_OUT_LOSS, HELD_OUT_N, LOSS, LOSSES, NUM_EXAMPLES
from strategies.evaluation.wire import EVALUATES, TAKES_PART
from strategies.flower.arrays import sha256_of_record
from strategies.masked_exchange.wire import MASKING
from strategies.wire import (
    ARRAYS,
    BEGUN,
    CONFIG,
    FUSION,
    METRICS,
    SHARED,
    STUDY,
    from_record,
    parts_in,
    record_of,
    to_record,
)

_LOG = getLogger("tessera.client")

# Sums over several threads depend on how many they are: with one, every engine adds in the same order.
torch.set_num_threads(1)


app = ClientApp(mods=[without_exception_text, as_it_was_asked, audited, accounted_only, masked])


@app.query("capabilities")
def capabilities(message: Message, context: Context) -> Message:
    """Phase 1: which of the study's modalities this site has, and how many training cases of each.

    Here the files are read: what later messages need of them is kept, in the context and on the site's disk.
    """
    sent = config_of(message, STUDY)["federation"]
    if SETTINGS not in context.state or sent != record_of(context.state, SETTINGS, ConfigRecord)["federation"]:
        context.state.clear()  # what was kept under other settings
        context.state[SETTINGS] = ConfigRecord({"federation": sent})
    if config_of(message, STUDY).get(BEGUN):
        take_up_roll(context)
    data = data_of(context)
    check(device_problems(data.config.resources.device))
    introduction: dict[str, Any] = {"site": data.config.name, "digest": data.federation.digest}
    if is_other_than_agreed(data, context) or is_beyond_budget(data, context) or is_no_external(data, context):
        return Message(RecordDict({CONFIG + STUDY: ConfigRecord(introduction)}), reply_to=message)
    if ROLL not in context.state:
        say_what_is_wrong(data)
        keep_roll(context, data)
    introduction |= _keys(context, data) | ({TAKES_PART: EVALUATES} if data.config.only_evaluates else {})
    for name in data.modalities:
        for reason in beyond_policy(data.config.policy, data.federation, name):
            _LOG.warning("not taking part with %s", reason, extra=COMPLAINT)
    cohorts = {METRICS + name: _metrics(announced_cases(data, name)) for name in offered(data)}
    return Message(RecordDict({CONFIG + STUDY: ConfigRecord(introduction), **cohorts}), reply_to=message)


@app.query("peers")
def peers(message: Message, context: Context) -> Message:
    """Phase 1, under masks: the keys of all sites, accepted if the roster's node keys signed them."""
    data = data_of(context)
    accept_peers(context, home_of(context), data.config, data.federation.digest, config_of(message, STUDY))
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
    data, reply = data_of(context), RecordDict()
    if not data.federation.privacy.is_masked:
        raise ValueError("counts alone are asked for under masks only")
    asked = [name for name in parts_in(message.content, CONFIG) if name not in (STUDY, MASKING)]
    for name, (sums, n_cases) in sums_of(data, held_by_enough(message, data, asked), exact=True).items():
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
    data, reply = data_of(context), RecordDict()
    asked = [name for name in parts_in(message.content, CONFIG) if name not in (STUDY, MASKING)]
    known = arrays_in(message, data) if data.federation.privacy.is_masked else {}
    given = sums_of(data, held_by_enough(message, data, asked), known)
    for name, (sums, n_cases) in given.items():
        reply[ARRAYS + name], reply[METRICS + name] = to_record(sums), _metrics(n_cases)
    keep_sums(context, {name: sums for name, (sums, _) in given.items()})
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
    settings = config_of(message, STUDY)
    known = {"federation": settings["federation"]}
    if SETTINGS not in context.state:  # a node that was started anew had no handshake
        context.state[SETTINGS] = ConfigRecord(known)
    if known["federation"] != record_of(context.state, SETTINGS, ConfigRecord)["federation"]:
        raise ValueError("other settings than in the handshake")
    take_up_roll(context)
    data, digests, shared, reply = data_of(context), {}, {}, RecordDict()
    if is_other_than_agreed(data, context):
        raise ValueError("other settings than this site agreed to")
    if CLASS_COUNTS in settings:
        known[CLASS_COUNTS] = class_numbers(data.federation, settings, CLASS_COUNTS)  # pyright: ignore
    keep_roll(context, data)
    for key in [key for key in context.state if key.startswith(STATE)]:
        del context.state[key]  # of a setup before this one, which more sites held
    for name in held_by_enough(message, data, parts_in(message.content)):
        record = record_of(message.content, ARRAYS + name, ArrayRecord)
        state = from_record(record)
        if reason := too_large(data.config.policy, data.federation, name, state):
            _LOG.warning("not taking part with %s", reason, extra=COMPLAINT)
            continue
        context.state[STATE + name] = record
        digests[DIGEST + name] = digest_of(state)
        if home_of(context) and not data.config.only_evaluates:
            data.training(name, state, digests[DIGEST + name])  # and every round finds it prepared
        known[HOLDERS + name] = holders_asked(name, config_of(message, name))
        shared[name] = state, cases_asked(name, config_of(message, name))
        reply[METRICS + name] = _metrics(announced_cases(data, name))
    context.state[SETTINGS] = ConfigRecord({**known, **digests})
    compare(home_of(context), data, shared, kept_sums(context))
    if keys := _keys(context, data):
        reply[CONFIG + STUDY] = ConfigRecord(keys)
    return Message(reply, reply_to=message)


@app.train("branches")
def train_branches(message: Message, context: Context) -> Message:
    """Phase 3: train each part that came, and score the weights as they came on the held-out fold."""
    study, reply, home = trained_study(context), RecordDict(), home_of(context)
    if study.federation.privacy.is_masked:
        study = in_sums_of(study, record_of(message.content, CONFIG + MASKING, ConfigRecord))
    policy = study.data.config.policy
    for part, weights in arrays_in(message, study.data).items():
        server_round, pull = round_asked(policy, study.federation, part, config_of(message, part))
        if home:
            sent = sha256_of_record(record_of(message.content, ARRAYS + part, ArrayRecord))
            asked = digest_of_request(sent, server_round, pull)
            count_round(home, study.federation.digest, part, asked, policy.max_rounds)
        trained, metrics = train_part(study, part, weights, server_round, pull)
        reply[ARRAYS + part], reply[METRICS + part] = to_record(trained), MetricRecord(metrics)
    return Message(reply, reply_to=message)


@app.evaluate("branches")
def evaluate_branches(message: Message, context: Context) -> Message:
    """Closing evaluation: score the final weights, and keep their outputs inside the site for the fusion head."""
    study, reply = trained_study(context), RecordDict()
    weights = arrays_in(message, study.data)
    for part, own in weights.items():
        reply[ARRAYS + part], reply[METRICS + part] = ArrayRecord(), MetricRecord(score_part(study, part, own))
    keep_closing(context, weights)
    for modality, outputs in held_out_outputs(study, weights).items():
        context.state[OUTPUTS + modality] = to_record(outputs)
    return Message(reply, reply_to=message)


@app.train("fusion")
def train_fusion(message: Message, context: Context) -> Message:
    """Phase 4: loss and gradient of the fusion head asked for, summed over this site's cases."""
    study, reply, kept = trained_study(context), RecordDict(), kept_outputs(context)
    check_agreed(message, context)
    parameters, config = head_in(message, study.data), config_of(message, STUDY)
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
    study = trained_study(context)
    check_agreed(message, context)
    head = str(config_of(message, STUDY)["head"])
    losses = temperature_losses(study, head, kept_outputs(context), head_in(message, study.data))
    return Message(RecordDict({ARRAYS + SHARED: to_record({LOSSES: losses})}), reply_to=message)


@app.query("conformal")
def conformal(message: Message, context: Context) -> Message:
    """Phase 5: histograms by class of the scores that conformal sets are made of."""
    study, config = trained_study(context), config_of(message, STUDY)
    check_agreed(message, context)
    head, temperature = str(config["head"]), temperature_asked(config)
    counts = conformal_counts(study, head, kept_outputs(context), head_in(message, study.data), temperature)
    return Message(RecordDict({ARRAYS + STUDY: to_record({CLASS_COUNTS: counts})}), reply_to=message)


app.query("local")(train_alone)
app.query("scoring")(score)
app.query("evaluable")(evaluable)
app.query("evaluation")(evaluate)
app.query("own_evaluation")(tell_own)


def _keys(context: Context, data: SiteData) -> dict[str, Any]:
    """This site's key for masked sums, where the settings ask for them."""
    context.state[SITE] = ConfigRecord({"name": data.config.name})
    if not data.federation.privacy.is_masked:
        return {}
    return introduction_of(context, home_of(context), data.config, data.federation.digest)


def _metrics(n_cases: int, **values: float | int) -> MetricRecord:
    return MetricRecord({NUM_EXAMPLES: n_cases, **values})
