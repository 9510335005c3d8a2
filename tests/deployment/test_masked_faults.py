"""Sites and the coordinator die in the middle of a masked exchange: no finished round is lost, nothing opened twice."""

import json
import time
from dataclasses import replace

import pytest
from flwr.app import RecordDict

from client.node.home import Home
from modalities.core.files.journal import entries_of
from modalities.core.parts import modality_of
from modalities.core.settings.privacy import Privacy
from server.coordinator.flower import is_up
from server.state.status import read_status
from strategies.masked_exchange.wire import TRAIN
from tests.deployment.machine import NGINX, Asked, Machine, wait_until
from tests.deployment.test_loopback import assert_same
from tests.support import WatchedGrid, run_small, site_number, small_federation, with_content

HOLDINGS, N_CASES = ((("cnv", "hif"),) * 5), (29, 17, 23, 31, 19)
NAMES = [f"site_{number}" for number in range(1, 6)]
STATISTICS = "query.statistics"
pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]


class Study:
    """A masked study of five sites that is under way; four of five must answer, and four must help to open."""

    def __init__(self, folder, rounds=9, killed_at_first=None, **settings):
        self.machine, self.told, self.began = Machine(folder), [], time.monotonic()
        federated = {"rounds": rounds, "patience": 0}
        self.federation = small_federation(
            fusion={"fit": "tune", "rounds": 2},
            privacy={"masking": "required"},
            modalities__cnv__federated=federated,
            modalities__hif__federated=federated,
        )
        gateway = "nginx" if NGINX else "builtin"
        self.machine.set_up(self.federation, gateway, HOLDINGS, N_CASES, sites=5, **settings)
        self.study = self.machine.study
        self.machine.open()
        self.machine.join(*NAMES)
        self.machine.start("run", "server", "run", self.study.folder)
        if killed_at_first:
            self.kill(*killed_at_first)
        self.reach(1)

    def reach(self, rounds):
        wait_until(lambda: self.done() >= rounds, 300, f"round {rounds} is done", 0.05)

    def done(self):
        return read_status(self.study.run).get("rounds", {}).get("cnv", {}).get("done", 0)

    def tell(self, what):
        self.told.append(f"{time.monotonic() - self.began:4.0f} s: {what}, after {self.done()} rounds")

    def kill(self, site, request):
        """SIGKILL to all that runs at the site, as soon as it begins on this request."""
        asked = Asked(self.machine, site)
        self.machine.cut_the_power(site, when=lambda: asked.for_(request), seconds=120, what=f"{site}: {request}")
        self.tell(f"{site} killed at {request}")

    def make_late(self, site):
        """The site's machine stands still in the middle of a round until that has ended without it."""
        asked = Asked(self.machine, site)
        found = self.machine.stand_still(
            site, when=lambda: asked.for_(TRAIN), seconds=60, what=f"{site} is asked to train"
        )
        before = self.done()
        self.reach(before + 1)
        for process in found:
            process.resume()
        self.tell(f"{site} answers late")

    def rejoin(self, *sites):
        self.machine.join(*sites)

    def notes(self):
        return [(note["site"], note["part"], note["text"]) for note in read_status(self.study.run).get("notes", [])]

    def end(self):
        run = self.machine.started["run"]
        wait_until(lambda: run.poll() is not None, 600, "the study ends")
        assert run.returncode == 0, self.machine.said("run")
        self.machine.call("server", "verify", self.study.run / "release", "--key", self.study.release_public_key)
        self.tell("the study has ended")

    def opened(self):
        """By site, whose sum it helped to open, by what it was of."""
        found = {}
        for name in NAMES:
            lines = entries_of(Home(self.machine.sites / name).ledger, "")
            opened = [(tuple(line["opened"]), tuple(line["survivors"])) for line in lines if "opened" in line]
            assert len(dict(opened)) == len(opened)  # one set of sites for each, ever
            found[name] = dict(opened)
        return found

    def never_opened(self, site):
        """Inputs of training for which this site sent a masked vector, and whose sum was opened without it."""
        sent = {
            (line["study"], line["message"], line["group"], line["inputs"])
            for line in entries_of(Home(self.machine.sites / site).ledger, "")
            if line.get("message") == TRAIN
        }
        opened = {inputs: survivors for own in self.opened().values() for inputs, survivors in own.items()}
        return [inputs for inputs in sent if site not in opened[inputs]]

    def all_opened_alike(self):
        """No two sites ever helped with different sets for the same inputs."""
        by_inputs = {}
        for own in self.opened().values():
            for inputs, survivors in own.items():
                assert by_inputs.setdefault(inputs, survivors) == survivors

    def as_if_replies_were_lost(self):
        """The release is that of a study in which just those parts of replies were lost that no sum holds.

        A power cut falls between the sums of two modalities as well: a round holds a site of one alone.
        """
        sums = {}
        for (_, kind, part, _), held in self.opened()[NAMES[0]].items():  # the one site that nothing happens to
            sums.setdefault((kind, part), []).append(held)

        def left_out(message):
            kind, site = message.metadata.message_type, f"site_{site_number(message)}"
            turn = int(message.metadata.group_id) - 1 if kind == TRAIN else 0
            return {
                part for part in ("cnv", "hif") if kind in (TRAIN, STATISTICS) and site not in sums[kind, part][turn]
            }

        def lost_in_part(message, reply):
            if not (parts := left_out(message)):
                return None
            held = {key: own for key, own in reply.content.items() if modality_of(key.partition(".")[2]) not in parts}
            return with_content(reply, RecordDict(held))

        unmasked = replace(self.federation, privacy=Privacy())  # where it does not matter who was asked in vain
        for name in NAMES:
            (self.machine.sites / name / "federation.yaml").write_text(unmasked.to_json())
        grid = WatchedGrid(
            self.machine.sites, len(NAMES), loses=lambda sent: len(left_out(sent)) == 2, falsifies=lost_in_part
        )
        assert_same(self.study.run / "release", run_small(self.machine.sites, unmasked, grid))

    def close(self, folder):
        self.machine.end_all()
        (folder / "told.txt").write_text("\n".join([*self.told, json.dumps(self.notes(), indent=1)]))


@pytest.fixture
def study(tmp_path, request):
    own = Study(tmp_path, **getattr(request, "param", {}))
    try:
        yield own
    finally:
        own.close(tmp_path)


@pytest.mark.parametrize("study", [{"round_timeout_s": 60, "wait_s": 300}], indirect=True)
def test_sites_that_die_after_their_masked_answer_change_nothing(study):
    """One between both trips: its answer is in the sum. Then the coordinator between both trips."""
    study.kill("site_5", "query.unmask")
    assert study.opened()["site_1"], "nothing was opened"
    study.rejoin("site_5")
    study.reach(study.done() + 2)
    settled = study.study.run / "survivors.jsonl"
    size = settled.stat().st_size
    study.machine.cut_the_power(
        "run", "start", when=lambda: settled.stat().st_size > size, seconds=120, what="whose sum it is was settled"
    )
    study.tell("the coordinator lost its power between both trips")
    before = study.done()
    study.machine.start("start", "server", "start", study.study.folder)
    wait_until(lambda: is_up(study.study), 90, "the SuperLink is up again")
    study.machine.start("run", "server", "resume", study.study.folder)
    study.reach(before)
    study.end()
    study.all_opened_alike()
    study.as_if_replies_were_lost()


@pytest.mark.parametrize("study", [{"round_timeout_s": 45, "wait_s": 300}], indirect=True)
def test_sites_that_die_before_their_answer_are_left_out_and_with_too_few_the_rounds_wait(study):
    """One after another, each in the middle of a round: three of five go on, two wait until the others are back."""
    for site in ("site_4", "site_3", "site_2"):
        study.kill(site, "train.branches")
        wait_until(
            lambda site=site: site in read_status(study.study.run)["away"], 150, f"{site} is seen to be away", 0.1
        )
        if site != "site_2":
            study.reach(study.done() + 1)
    waits = "2 of the at least 3 sites that min_holders asks for"
    wait_until(lambda: waits in read_status(study.study.run)["waiting"].values(), 100, "the round waits", 0.1)
    before = study.done()
    study.tell("the rounds wait")
    study.rejoin("site_2", "site_3", "site_4")
    study.reach(before + 1)
    study.end()
    study.all_opened_alike()
    assert all(len(survivors) >= 3 for own in study.opened().values() for survivors in own.values())
    study.as_if_replies_were_lost()


BEFORE_KEYS = {"round_timeout_s": 45, "wait_s": 300, "rounds": 30, "killed_at_first": ("site_5", "query.peers")}


@pytest.mark.parametrize("study", [BEFORE_KEYS], indirect=True)
def test_a_site_that_dies_before_it_has_the_keys_and_one_whose_answer_comes_late(study):
    """Neither is in the sums of the time; a late answer stays hidden for ever, and both take part again."""
    assert "site_5" not in next(iter(study.opened()["site_1"].values()))
    study.rejoin("site_5")
    back = "it is here and up to date, and takes part from now on"
    wait_until(lambda: ("site_5", "*", back) in study.notes(), 150, "site_5 takes part", 0.1)
    study.make_late("site_4")
    study.end()
    study.all_opened_alike()
    assert study.never_opened("site_4"), "no late answer"
    rounds = [held for (_, kind, _, _), held in study.opened()["site_1"].items() if kind == TRAIN]
    assert {"site_4", "site_5"} <= set(rounds[-1])
    study.as_if_replies_were_lost()
