"""The benchmark of a deployment: seconds of a round, worked out by hand."""

import dataclasses

import pytest

from benchmarks.notes import rounds_in
from benchmarks.split import PARTS, Leg, Span, Way, split

WAY = Way(
    pushed=Span(100.0, 101.0),
    announced=101.25,
    pulled=Leg(101.25, 102.0, [Span(101.25, 101.5), Span(101.75, 102.0)]),
    launched=102.125,
    begins=102.5,
    asked=Span(102.75, 103.0),
    fetched=Leg(102.75, 103.0, [Span(102.75, 103.0)]),
    call=Span(103.5, 107.5),
    trained=3.0,
    handed=Span(107.5, 107.75),
    sent=Leg(108.0, 109.0, [Span(108.0, 109.0)]),
    taken=Leg(109.5, 110.0, [Span(109.5, 110.0)]),
)


def test_every_second_of_a_round_belongs_to_one_part():
    assert split(WAY, 112.0) == {
        "process start": 0.375,  # 102.125 to 102.5
        "import": 0.75,  # 102.5 to 102.75, 103 to 103.5
        "opening": 1.0,  # the call's 4 s without the 3 s of training
        "training": 3.0,
        "transfer": 3.5,  # push 1, to the node .25 + .25, to the program .25, back .25, to the SuperLink 1, on .5
        "polling": 1.375,  # .25 until the node asked, .25 within its transfer, .125 its helper, .25 + .5 the reply
        "server": 2.0,
    }


def test_steps_that_overlap_count_once():
    pulled = dataclasses.replace(WAY.pulled, ended=102.25)
    sent, taken = Leg(107.625, 109.0, [Span(107.625, 109.0)]), Leg(108.5, 110.0, [Span(109.5, 110.0)])
    early = dataclasses.replace(WAY, announced=100.5, launched=101.5, pulled=pulled, sent=sent, taken=taken)
    parts = split(early, 112.0)
    assert sum(parts.values()) == 12.0
    assert parts["process start"] == 1.0  # 101.5 to 102.5, while the rest of the message was still on its way
    # push 1, to the node .5, to the program .25, from it .125, .875 until the coordinator heard of the reply; of that
    # .5 s came still, then nothing for .5 s until it looked again, then the rest in .5 s
    assert parts["transfer"] == 1.0 + 0.5 + 0.25 + 0.125 + 0.875 + 0.5 + 0.5
    assert parts["polling"] == 0.5


def test_waiting_behind_another_sites_reply_is_transfer():
    parts = split(dataclasses.replace(WAY, others=[Span(108.5, 109.25), Span(109.75, 110.25)]), 112.0)
    assert sum(parts.values()) == 12.0
    assert parts["polling"] == 1.375 - 0.25
    assert parts["transfer"] == 3.5 + 0.25


def notes_of(message: str, node: int, later: float) -> list[dict]:
    """What the processes note of one message, `later` by so many seconds from the moment its reply is handed over."""

    def note(step, pid, began, ended, **known):
        cpu = [began - 102.5, ended - 102.5]  # as if the program never waited
        return {"step": step, "pid": pid, "began": began, "ended": ended, "cpu": cpu, **known}

    taken = 109.5 + later, 110.0 + later
    program, supernode, helper = 10 * node, 10 * node + 1, 10 * node + 2
    return [
        note("announced", supernode, 101.0, 101.25, message=message),
        note("fetch", supernode, 101.25, 101.75, reply="", moving=[[101.25, 101.5]]),
        note("here", supernode, 101.75, 102.0, message=message),
        note("launch", helper, 102.125, 102.25, task=node),
        note("begins", program, 102.5, 102.5),
        note("input", program, 102.75, 103.0, message=message, task=node),
        note("fetch", program, 102.75, 103.0, reply="", moving=[[102.75, 103.0]]),
        note("train", program, 104.0, 105.0),
        note("train", program, 105.0, 107.0),
        note("call", program, 103.5, 107.5),
        note("reply", program, 107.5, 107.75, message=message, reply=f"reply to {message}"),
        note("send", supernode, 108.0, 108.25, message=message),
        note("send object", supernode, 108.25, 109.0 + later),
        note("sent", supernode, 107.0, 109.0 + later),
        note("fetch", 1, *taken, reply=f"reply to {message}", moving=[taken]),
    ]


def push(began, kind, *messages):
    sent = [{"message": message, "node": node, "type": kind} for message, node in messages]
    return {"step": "push", "pid": 1, "began": began, "ended": began + 1.0, "messages": sent}


def test_a_round_is_that_of_its_slowest_site_and_lasts_until_the_next_push():
    notes = [*notes_of("a", 1, 0.0), *notes_of("b", 2, 1.0), push(100.0, "train.branches", ("a", 1), ("b", 2))]
    notes += [push(113.0, "evaluate.branches", ("c", 1))]
    (found,) = rounds_in(notes, {1: "north", 2: "south"})
    assert (found.began, found.ended, found.site) == (100.0, 113.0, "south")
    assert list(found.parts) == list(PARTS)
    assert sum(found.parts.values()) == 13.0
    assert found.parts == split(WAY, 112.0) | {"transfer": 3.5 + 1.0}  # its reply took a second longer
    assert found.cpu == {"import": 0.75, "opening": 1.0, "training": 3.0, "messages": 0.5}
    with pytest.raises(ValueError, match="no process noted here of message a"):
        rounds_in([note for note in notes if note["step"] != "here"], {1: "north", 2: "south"})
