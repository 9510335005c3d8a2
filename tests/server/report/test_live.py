"""What `tessera-server page` shows of a study, from the files that the study writes."""

import json
import subprocess
import sys
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from client.node.keys import make_node_key
from modalities.core.files.journal import add_after
from server.audit.receipts import AUDIT_FILE, Receipts
from server.cli import app
from server.coordinator.folder import enrol_site, init_study
from server.report.live import shown_of
from server.state.measured import METRICS
from server.state.notes import REFUSED, WARNING, Note
from server.state.status import STATUS, read_status, write_status
from server.state.study import Progress, StudyState
from strategies.page.live import Live
from strategies.page.serve import listening_on
from tests.server.audit.test_receipts import NODE, Log
from tests.strategies.page.served import everything_below, served
from tests.strategies.page.test_live import SCRIPT, Events, Found
from tests.support import small_federation

FEDERATION = small_federation(modalities__cnv__federated__rounds=7)


@pytest.fixture
def study(tmp_path):
    """Three enrolled sites; nothing of it runs."""
    made = init_study(tmp_path / "brca", ["localhost"], "builtin")
    for site in ("north", "south", "west"):
        make_node_key(tmp_path / f"{site}.key", tmp_path / f"{site}.pub", site)
        enrol_site(made, site, tmp_path / f"{site}.pub")
    return made


def state_of(notes=()):
    state = StudyState(FEDERATION)
    state.progress = {"cnv": Progress(rounds=3, curve=[1.5, 1.25, 1.125])}
    state.cohorts = {"north": {"cnv": 17}, "south": {"cnv": 5, "hif": 13}}
    state.away, state.notes = {"south"}, [*notes]
    state.traffic.up["north"]["cnv"], state.traffic.down["north"]["study"] = 23_000, 1_900
    return state


def line(number, **more):
    empty = dict.fromkeys(("modality", "held_out_loss", "training_loss", "loss_sum", "sites", "cases"))
    plain = {"phase": "branches", "round": number, "bytes_up": 3, "bytes_down": 5, "seconds": 0.7}
    return {**empty, **plain, "time": "2026-11-28T18:00:51.250Z", **more}


def text_of(study, part):
    return " ".join(Found(Live(shown_of(study)).picture().parts[part]).text.split())


def test_before_anything_the_enrolled_sites_stand_there_and_everything_else_says_that_it_is_not_there_yet(study):
    assert text_of(study, "sites").endswith("site how it stands north enrolled south enrolled west enrolled")
    assert text_of(study, "rounds") == "No round is finished yet."
    assert text_of(study, "notes") == "Nothing was refused, and nobody was missing."
    assert text_of(study, "evaluation").startswith("Not evaluated yet")
    assert text_of(study, "audit").startswith("Nothing is countersigned yet")
    now = text_of(study, "now")
    assert now.startswith(f"the SuperLink does not answer: tessera-server start {study.folder} phase waiting for the")
    assert "last step none yet" in now
    assert "certificate 397 days left" in now


def test_a_step_is_shown_with_who_is_here_what_was_refused_losses_and_bytes(study):
    notes = [Note(REFUSED, "north", "cnv", "weights that are not finite"), Note(WARNING, "*", "*", "few cases")]
    write_status(study.run, state_of(notes), {"phase": "branches", "round": 3})
    lines = [line(n, modality="cnv", held_out_loss=2 - n / 4, training_loss=1.0) for n in (1, 2)]
    add_after(study.run / METRICS, 0, lines)
    assert text_of(study, "sites").endswith("cnv hif north takes part 17 - south away 5 13 west enrolled - -")
    assert "cnv 3 of 7 1.1250 0.02 MB 0.00 MB" in text_of(study, "rounds")
    curve = Live(shown_of(study)).picture().parts["rounds"]
    assert "held out: 1.75 in round 0, 1.5 in round 1, lowest 1.5 in round 1. training: 1 in round 1, 1" in curve
    assert text_of(study, "notes").endswith("all warning few cases north, cnv refused weights that are not finite")
    assert "received from all sites 23.0 kB sent to all sites 1.9 kB" in text_of(study, "now")
    assert Live(shown_of(study)).picture().news == "phase: branches, round 3; away: south"


def test_a_site_that_was_shut_out_or_is_not_here_yet_or_only_evaluates_is_called_so(study):
    (study.sites / "south.pub").unlink()
    state = state_of()
    state.evaluators = {"west"}
    write_status(study.run, state, {"phase": "waiting for the sites", "missing": ["north"]})
    status = read_status(study.run) | {"incomplete": {"north": {"cnv": [2, 3, 5]}}}
    (study.run / STATUS).write_text(json.dumps(status))
    shown = text_of(study, "sites")
    assert shown.startswith("not in every sum: north: cnv, rounds 2 to 3, 5 Sites")
    assert shown.endswith("north not here yet 17 - south shut out 5 13 west evaluates only - -")


def test_a_finished_study_shows_how_good_its_model_is_and_one_without_numbers_says_so(study):
    macro = {"value": 0.91249, "low": 0.88, "high": 0.937, "bound": 0.001, "reason": ""}
    state = state_of()
    state.finished = True
    write_status(study.run, state, {"phase": "finished"})
    assert text_of(study, "evaluation") == "No number may be shown: the notes say why."
    assert "north took part" in text_of(study, "sites")
    evaluated = read_status(study.run) | {"evaluation": {"fused": {"n": 61, "federated": macro}}}
    (study.run / STATUS).write_text(json.dumps(evaluated))
    assert "fused 61 .912 (.880 to .937) n/a" in text_of(study, "evaluation")


def test_heads_of_audit_logs_stand_there_and_one_that_did_not_extend_is_an_alert(study):
    receipts = Receipts(study.run / AUDIT_FILE, Ed25519PrivateKey.generate(), {"st_anna": NODE.public_key()})
    receipts.take("st_anna", Log(b"1", b"2", b"3").sent())
    receipts.take("st_anna", Log(b"1", b"x").sent())
    receipts.save()
    assert "st_anna: the log of 2 entries on" in text_of(study, "audit")
    assert "st_anna 2 2" in text_of(study, "audit")


def test_a_damaged_status_is_said_and_what_does_not_need_it_is_shown(study):
    write_status(study.run, state_of(), {"phase": "branches", "round": 3})
    (study.run / STATUS).write_bytes((study.run / STATUS).read_bytes()[:100])
    picture = Live(shown_of(study)).picture()
    assert "cannot be shown: " in picture.parts["sites"]
    assert "Nothing is countersigned yet" in picture.parts["audit"]
    assert picture.news == "something cannot be read: see below"


def test_scripts_in_the_names_of_sites_and_modalities_and_in_notes_are_text(study):
    state = state_of([Note(REFUSED, SCRIPT, SCRIPT, SCRIPT)])
    state.cohorts, state.away = {SCRIPT: {SCRIPT: 7}}, {SCRIPT}
    write_status(study.run, state, {"phase": SCRIPT, "round": 1})
    add_after(study.run / METRICS, 0, [line(1, modality=SCRIPT, held_out_loss=1.0)])
    with served(shown_of(study)) as here:
        text = here.welcome().get("/").text
    found = Found(text)
    assert len(found.all("script")) == 1
    assert "alert(1)" not in text.partition("<main")[0]
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8
    assert SCRIPT not in text


def test_an_open_page_shows_a_round_within_two_seconds_of_its_status_and_nothing_is_written(study):
    write_status(study.run, state_of(), {"phase": "branches", "round": 3})
    with served(shown_of(study)) as here:
        events = Events(here.welcome())
        events.wait_for(lambda change: "round 3" in change["news"])
        write_status(study.run, state_of(), {"phase": "branches", "round": 4})
        before, wrote = everything_below(study.folder), time.monotonic()
        came, change = events.wait_for(lambda change: "round 4" in change["news"])
        assert came - wrote < 2
        assert [*change["parts"]] == ["now"]
    assert everything_below(study.folder) == before


def test_the_page_waits_for_neither_torch_nor_matplotlib():
    code = "import sys, server.report.live, client.report.live, strategies.page.serve as page; print([name for name in "
    code += "('torch', 'matplotlib', 'scipy') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_folder_that_is_no_study_and_a_port_that_is_taken_are_said(study, tmp_path):
    said = CliRunner().invoke(app, ["page", str(tmp_path / "none")])
    assert (said.exit_code, "make the folder with `tessera-server init`" in said.output) == (1, True)
    with listening_on(0) as taken:
        said = CliRunner().invoke(app, ["page", str(study.folder), "--port", str(taken.getsockname()[1])])
    assert (said.exit_code, "give another with --port" in said.output) == (1, True)
