"""Rounds of PerModality with sites that answer what a test says."""

import numpy as np
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from strategies.streaming import replies_in_order
from strategies.wire import ARRAYS, CONFIG, METRICS, flatten, parts_in, to_record, unflatten


def app_of(answer):
    """A site that answers each part it is asked for with `answer(partition, part, arrays, config)`: arrays and n."""
    app = ClientApp()

    def reply(message, context):
        content = RecordDict()
        for part in parts_in(message.content):
            arrays = {name: array.numpy() for name, array in message.content[ARRAYS + part].items()}
            config = message.content[CONFIG + part]
            found, n = answer(context.node_config["partition-id"], part, arrays, config)
            content[ARRAYS + part] = to_record(found)
            content[METRICS + part] = MetricRecord({"num-examples": n, "loss-sum": 0.5 * n})
        return Message(content, reply_to=message)

    app.train("branches")(reply)
    app.evaluate("branches")(reply)
    return app


def adds(amounts):
    """Sites that add a number of their own to every weight; `amounts` is by (partition, part): amount and cases."""

    def answer(partition, part, arrays, config):
        amount, n = amounts[partition, part]
        return {name: (array + amount).astype(array.dtype) for name, array in arrays.items()}, n

    return answer


def start_of(*parts):
    rng = np.random.default_rng(3)
    return {
        part: {"w": rng.normal(size=(3, 2)).astype(np.float32), "b": rng.normal(size=5).astype(np.float32)}
        for part in parts
    }


def one_round(composed, weights, grid, server_round=1, evaluate=False):
    configure = composed.configure_evaluate if evaluate else composed.configure_train
    aggregate = composed.aggregate_evaluate if evaluate else composed.aggregate_train
    messages = configure(server_round, flatten(weights), ConfigRecord(), grid)
    found = aggregate(server_round, replies_in_order(grid, messages, 0.3))
    return found if evaluate else unflatten(found[0])
