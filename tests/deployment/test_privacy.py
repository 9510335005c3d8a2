"""What leaves real sites over the wire, byte by byte: what docs/privacy.md lists, and nothing of what was planted."""

import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message

from client.audit.content import contents_of, digest_of_content
from client.node.home import Home
from modalities.core.settings.federation import Federation, load_federation
from modalities.core.site.store import SiteData
from server.state.status import read_status
from strategies.bundle import digest_of_checkout
from tests.deployment.machine import SITES, STUDY_S, Machine, wait_until
from tests.deployment.planted import (
    CASE,
    FOLDER,
    NUMBERS,
    ROW,
    SLIDE,
    marked_federation,
    marked_values,
    marks_in,
    write_marked_site,
)
from tests.deployment.recorder import Recorder, Request, fields_of, parsed, recording
from tests.privacy import compare, entries, names_in, table
from tests.support import all_arrays

HELD = (("cnv", "hif", "clinical", "wsi_image"), ("cnv", "hif", "clinical", "wsi_image"), ("cnv", "hif", "wsi_image"))
BROKEN = "site_3"
ALWAYS = ("always", "a site fails", "the coordinator keeps receipts")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(STUDY_S + 300)]


@dataclass(frozen=True)
class Recorded:
    """A study that ended, and all that its sites sent."""

    machine: Machine
    federation: Federation
    requests: list[Request]
    asked: list[Message]
    replies: list[Message]

    def site(self, name: str) -> Path:
        return self.machine.sites / name


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Three marked sites behind a recording gateway; the raw files of one break once the study is under way."""
    machine = Machine(tmp_path_factory.mktemp("d"))
    machine.sites = tmp_path_factory.mktemp("s") / FOLDER
    federation = marked_federation()
    for number, held in enumerate(HELD, start=1):
        write_marked_site(machine.sites, number, federation, held)
    machine.set_up(federation, "nginx", HELD)  # the recorder stands where nginx would
    try:
        machine.start("start", "server", "start", machine.study.folder)
        wait_until(lambda: "sites enrolled" in machine.said("start"), 150, "the sites are enrolled")
        with recording(machine.study) as recorder:
            machine.join()
            run_and_break(machine)
            machine.call("client", "leave", machine.sites / "site_1")
            yield recorded_by(recorder, machine)
    finally:
        machine.end_all()


def run_and_break(machine: Machine) -> None:
    """The study to its release; after the statistics, a raw file of one site is gone."""
    running = machine.start("run", "server", "run", machine.study.folder)
    ahead = ("statistics", "setup", "branches")
    wait_until(lambda: running.poll() is not None or phase_of(machine) in ahead, 150, "the statistics are there")
    (machine.sites / BROKEN / "hif" / "table.csv").unlink()
    try:
        code = running.wait(300)
    except subprocess.TimeoutExpired:
        code = None
    assert code == 0, machine.said("run") + machine.said("start")


def phase_of(machine: Machine) -> str:
    return read_status(machine.study.run).get("phase", "")


def recorded_by(recorder: Recorder, machine: Machine) -> Recorded:
    federation = load_federation(machine.study.federation)
    return Recorded(machine, federation, recorder.requests, recorder.asked(), recorder.replies())


def names_of(recorded: Recorded) -> dict[int, str]:
    """The sites by Flower's number of their node."""
    introduced = [reply for reply in recorded.replies if reply.metadata.message_type == "query.capabilities"]
    return {reply.metadata.src_node_id: str(reply.content["config.study"]["site"]) for reply in introduced}


def arrays_in(messages: Iterable[Message]) -> list[np.ndarray]:
    """Every array of the messages."""
    content = [message.content for message in messages if message.has_content()]
    return [array for own in content for record in all_arrays(own).values() for array in record.values()]


def test_messages_hold_what_the_page_lists_and_all_that_always_leaves(recorded):
    unlisted, occurred = compare(entries(), recorded.asked, recorded.replies, recorded.federation)
    assert unlisted == []
    missing = [entry for entry in entries() if entry.when in ALWAYS and entry not in occurred]
    assert [str(entry) for entry in missing] == []


def test_requests_hold_the_fields_and_headers_that_the_page_lists(recorded):
    rows = [(route, row) for row in table("request") for route in names_in(row["request"])]
    listed = {f"{route}: {field}" for route, row in rows for field in names_in(row["fields"])}
    found = {f"{one.route}: {field}" for one in recorded.requests for field in fields_of(parsed(one))}
    headers = {f"header: {name}" for row in table("header") for name in names_in(row["header"])}
    found |= {f"header: {name}" for one in recorded.requests for name in one.headers}
    assert sorted(found ^ (listed | headers)) == []


def test_nothing_that_was_planted_left_the_sites(recorded):
    leaks = {(one.route, mark) for one in recorded.requests for mark in marks_in(one.all_of_it)}
    assert leaks == set()
    assert marked_values(arrays_in(recorded.replies)) == []


def test_nothing_that_was_planted_is_at_the_coordinator(recorded):
    """Flower's database and logs, the ServerApp's output, status, checkpoint and release."""
    machine = recorded.machine
    files = [path for path in machine.study.folder.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"superlink.log", "state.db", "status.json", "checkpoint.safetensors", "model.json"} <= names
    shown = machine.call("server", "status", machine.study.folder)
    texts = [*(path.read_bytes() for path in files), *(machine.said(name).encode() for name in ("start", "run"))]
    assert [mark for text in [*texts, shown.encode()] for mark in marks_in(text)] == []


def test_a_site_that_fails_sends_a_code_and_keeps_the_rest_in_its_own_log(recorded):
    names = names_of(recorded)
    failed = [reply for reply in recorded.replies if reply.has_error()]
    errors = {(names[one.metadata.src_node_id], one.error.code, one.error.reason) for one in failed}
    assert errors == {(BROKEN, 2, "see the site's log")}
    said = Home(recorded.site(BROKEN)).log.read_text()
    assert f"{FOLDER}/{BROKEN}/hif/table.csv does not exist" in said


def test_each_sites_audit_log_is_what_crossed_the_wire(recorded):
    """By digest, both ways; and under the code and the settings that it names."""
    names = names_of(recorded)
    came, left = ({name: [] for name in SITES} for _ in range(2))
    for message in recorded.asked:
        came[names[message.metadata.dst_node_id]].append(crossed(message))
    for reply in recorded.replies:
        left[names[reply.metadata.src_node_id]].append(crossed(reply))
    for name in SITES:
        entries = [json.loads(line) for line in Home(recorded.site(name)).audit.read_text().splitlines()]
        for direction, carried in (("received", came), ("sent", left)):
            logged = [entry for entry in entries if entry["direction"] == direction]
            digests = [(entry.get("sha256", entry.get("error")), entry.get("holds")) for entry in logged]
            assert digests == carried[name]
        assert len(left[name]) >= 2
        assert {entry["code"] for entry in entries} == {digest_of_checkout()}
        assert {entry["study"] for entry in entries} == {recorded.federation.digest}


def test_each_sites_log_is_whole_and_countersigned_by_the_coordinator(recorded, tmp_path):
    machine = recorded.machine
    machine.call("server", "audit", machine.study.folder, "--to", tmp_path / "receipts.json")
    for name in SITES:
        n = len(Home(recorded.site(name)).audit.read_text().splitlines())
        said = machine.call("client", "audit", recorded.site(name), "verify", "--receipt", tmp_path / "receipts.json")
        whole = f"{n} entries as written, the first {n} as the coordinator countersigned"
        assert whole in said or name == BROKEN  # its last replies are errors, which carry no head
        assert "entries as written" in said


def crossed(message):
    """Digest and content of what a message held beside the head and the receipt; of an error, its code."""
    if message.has_error():
        return message.error.code, None
    content = {key: record for key, record in message.content.items() if key != "config.audit"}
    return digest_of_content(content), contents_of(content)


def test_the_same_search_finds_what_was_planted_where_it_may_be(recorded):
    site = recorded.site("site_1")
    raw = b"".join(
        str(path).encode() + path.read_bytes() for path in site.rglob("*") if path.suffix in (".csv", ".h5", ".txt")
    )
    assert set(marks_in(raw)) >= {FOLDER, CASE, SLIDE, ROW, *(str(abs(number)) for number in NUMBERS)}
    held = SiteData(site, recorded.federation)
    values = [held.cases(name).values for name in ("cnv", "hif", "clinical")]
    assert sorted(marked_values(values)) == sorted(NUMBERS)
    assert "<2f" in marks_in(values[1].tobytes())
    assert str(NUMBERS[0]) in marks_in(np.float64(NUMBERS[0]).tobytes())
    assert FOLDER in marks_in(Home(recorded.site(BROKEN)).log.read_bytes())
