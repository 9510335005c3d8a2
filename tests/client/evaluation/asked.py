"""The evaluation's questions to a site, as a coordinator puts them."""

from flwr.app import ConfigRecord, Message, RecordDict

from modalities.core.model.calibration import TEMPERATURE
from strategies.flower.messages import be_server, give_id
from strategies.wire import ARRAYS, CONFIG, FUSION, SHARED, STUDY, to_record
from tests.support import FIRST_NODE


def ask(grid, number, kind, content=None):
    """The reply of site `number` of an inline grid."""
    be_server(run_id=1)
    message = Message(content or RecordDict(), FIRST_NODE + number - 1, kind)
    give_id(message)
    grid.push_messages([message])
    return next(iter(grid.pull_messages([message.metadata.message_id])))


def seconds(number):
    return RecordDict({CONFIG + STUDY: ConfigRecord({"seconds": number})})


def final_model(study, modalities):
    """What `query.scoring` brings to a site with these modalities."""
    temperature = float(study.calibration.get(TEMPERATURE, [1.0])[0])
    content = RecordDict({CONFIG + STUDY: ConfigRecord({"head": study.head_name, "temperature": temperature})})
    for name in modalities:
        content[ARRAYS + name] = to_record(study.weights[name])
    for owner in (*modalities, SHARED) if len(modalities) > 1 else ():
        own = {key.partition(".")[2]: array for key, array in study.head.items() if key.startswith(f"{owner}.")}
        if own:
            content[ARRAYS + FUSION + owner] = to_record(own)
    return content


def policy_line(folder, line):
    """Put a line in place of the policy's `evaluation: sums`."""
    text = (folder / "site.yaml").read_text()
    assert "evaluation: sums" in text
    (folder / "site.yaml").write_text(text.replace("evaluation: sums", line))


def scores_in(context, cases, model):
    """What the node keeps of them, by SET and `labels`; none where nothing is kept."""
    record = context.state.get(f"scored.{cases}.{model}")
    return {} if record is None else {name: array.numpy() for name, array in record.items()}
