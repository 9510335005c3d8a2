"""Real sites whose coordinator sees sums only: every byte that leaves them is recorded, and says nothing by itself."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flwr.app import ArrayRecord, Message

from client.node.home import Home
from modalities.core.files.journal import entries_of
from modalities.core.settings.federation import Federation
from modalities.core.settings.privacy import Privacy
from strategies.checks import NUM_EXAMPLES
from strategies.masked_exchange.wire import LABEL, MASKED_TYPES, TRAIN
from strategies.masking.keys import Run, Secrets
from strategies.masking.member import sign_of
from strategies.masking.vectors import Vector
from strategies.wire import ARRAYS, CONFIG, MASKED, METRICS, from_record, parts_in
from tests.deployment.machine import STUDY_S, Machine, wait_until
from tests.deployment.recorder import recording
from tests.deployment.test_loopback import assert_same
from tests.support import WatchedGrid, run_small, site_number, small_federation

BOTH = ("cnv", "hif")
HOLDINGS = {"three": (BOTH, BOTH, BOTH), "five": (BOTH, BOTH, ("cnv",), BOTH, BOTH)}
N_CASES = (29, 17, 23, 31, 19)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(STUDY_S + 300)]


@dataclass(frozen=True)
class Recorded:
    """A masked study that ended, with all that its sites sent; and what they would have sent without masks."""

    machine: Machine
    federation: Federation
    holdings: Mapping[str, tuple[str, ...]]
    """By site."""
    replies: Mapping[str, list[Message]]
    """By site."""
    plain: WatchedGrid


@pytest.fixture(scope="module", params=HOLDINGS)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    machine = Machine(tmp_path_factory.mktemp("d"))
    federation = small_federation(privacy={"masking": "required"})
    held = HOLDINGS[request.param]
    names = [f"site_{number}" for number in range(1, len(held) + 1)]
    n_cases = N_CASES[: len(held)]
    machine.set_up(federation, "nginx", held, n_cases, sites=len(held))  # the recorder stands where nginx would
    try:
        machine.start("start", "server", "start", machine.study.folder)
        wait_until(lambda: "sites enrolled" in machine.said("start"), 200, "the sites are enrolled")
        with recording(machine.study) as recorder:
            machine.join(*names)
            machine.log("run").write_text(machine.call("server", "run", machine.study.folder, timeout=STUDY_S))
            machine.end_all()
            nodes = {node: name for name, node in _nodes(machine).items()}
            replies: dict[str, list[Message]] = {name: [] for name in names}
            for reply in recorder.replies():
                replies[nodes[reply.metadata.src_node_id]].append(reply)
        plain = WatchedGrid(machine.sites, len(names))
        unmasked = replace(federation, privacy=Privacy())
        for name in names:  # what the sites agreed to; this run is the same study without masks
            (machine.sites / name / "federation.yaml").write_text(unmasked.to_json())
        run_small(machine.sites, unmasked, plain)
        yield Recorded(machine, federation, dict(zip(names, held, strict=True)), replies, plain)
    finally:
        machine.end_all()


def _nodes(machine: Machine) -> dict[str, int]:
    from server.coordinator.flower import nodes

    return {site: node for node, site in nodes(machine.study).items()}


def vectors_of(recorded: Recorded, site: str) -> dict[str, Vector]:
    """Label -> the masked vector that a site sent."""
    found = {}
    for reply in recorded.replies[site]:
        for group in parts_in(reply.content, CONFIG + MASKED) if reply.has_content() else ():
            arrays = from_record(reply.content[ARRAYS + MASKED + group])
            if "weights" in arrays:
                config = reply.content[CONFIG + MASKED + group]
                found[str(config[LABEL])] = Vector(arrays["weights"].copy(), arrays["sums"].copy())
    return found


def rounds_of(recorded: Recorded, site: str, group: str) -> list[tuple[dict, np.ndarray]]:
    """Each round of a branch: the site's ledger entry, and the same site's plain update without masks."""
    entries = entries_of(Home(recorded.machine.sites / site).ledger, "")
    trained = [entry for entry in entries if entry.get("message") == TRAIN and entry["group"] == group]
    return list(zip(trained, plain_updates(recorded, site, group), strict=True))


def plain_updates(recorded: Recorded, site: str, group: str) -> list[np.ndarray]:
    grid, number = recorded.plain, list(recorded.holdings).index(site) + 1
    by_id = {reply.metadata.reply_to_message_id: reply for reply in grid.replies}
    updates = []
    for asked in grid.asked:
        if asked.metadata.message_type == TRAIN and site_number(asked) == number:
            reply = by_id[asked.metadata.message_id].content
            flat = []
            for part in sorted(part for part in parts_in(reply) if part.partition("@")[0] == group):
                sent, trained = (from_record(own[ARRAYS + part]) for own in (asked.content, reply))
                n = reply[METRICS + part][NUM_EXAMPLES]
                flat += [(n * (trained[name].astype(float) - sent[name])).ravel() for name in sorted(sent)]
            if flat:
                updates.append(np.concatenate(flat))
    return updates


def looks_random(words: np.ndarray, plain: np.ndarray) -> None:
    """Bytes uniform (chi-square below its 1 - 1e-6 quantile: 255 degrees of freedom, 377), and no correlation."""
    counts = np.bincount(np.frombuffer(words.tobytes(), dtype=np.uint8), minlength=256)
    expected = counts.sum() / 256
    assert (np.square(counts - expected) / expected).sum() < 377
    correlation = np.corrcoef(words.view(np.int64).astype(float), plain)[0, 1]
    assert abs(correlation) < 5 / np.sqrt(len(plain))


def test_each_masked_update_looks_random_beside_the_plain_one(recorded):
    looked = 0
    for site, held in recorded.holdings.items():
        vectors = vectors_of(recorded, site)
        for group in held:
            for entry, plain in rounds_of(recorded, site, group):
                looks_random(vectors[entry["label"]].weights, plain)
                looked += 1
    assert looked == 2 * sum(map(len, recorded.holdings.values()))


def test_everything_that_leaves_in_answer_to_a_masked_request_is_masked(recorded):
    kinds = set()
    for site in recorded.holdings:
        for entry in entries_of(Home(recorded.machine.sites / site).ledger, ""):
            kinds.add(entry.get("message"))
        for reply in recorded.replies[site]:
            if reply.metadata.message_type in MASKED_TYPES and reply.has_content():
                others = [key for key in reply.content if MASKED not in key and key != "config.audit"]
                assert others == []
                arrays = [own for own in reply.content.values() if isinstance(own, ArrayRecord)]
                assert all(str(array.dtype) == "uint64" for record in arrays for array in record.values())
    assert kinds >= set(MASKED_TYPES)


def test_the_secrets_of_all_but_two_sites_tell_nothing_of_these_two(recorded):
    """Of five: one less than the threshold, with all that the coordinator has. The mask of the pair hides both."""
    for spied, friend in itertools.combinations(recorded.holdings, 2):
        entry, plain = rounds_of(recorded, spied, "cnv")[0]
        vector, label = vectors_of(recorded, spied)[entry["label"]], bytes.fromhex(entry["label"])
        secrets = {name: secrets_of(recorded, name, entry) for name in recorded.holdings}
        vector.mask(secrets[spied].own_mask(label), -1)  # opened with every sum: it is in it
        for name in recorded.holdings:
            if name not in (spied, friend):
                vector.mask(secrets[name].pair_mask(spied, label), -sign_of(spied, name))
        looks_random(vector.weights, plain)
        vector.mask(secrets[friend].pair_mask(spied, label), -sign_of(spied, friend))
        assert np.abs(vector.weights.view(np.int64) * 2.0**-37 - plain).max() < 1e-4  # it was there all the time


def secrets_of(recorded: Recorded, site: str, entry: dict) -> Secrets:
    home = Home(recorded.machine.sites / site)
    private = X25519PrivateKey.from_private_bytes((home.masks / f"{entry['run']}.key").read_bytes())
    run = Run(entry["study"], entry["roster"], entry["run"])
    return Secrets(run, site, private, {name: bytes.fromhex(key) for name, key in entry["members"].items()})


def test_the_release_is_that_of_a_study_without_masks(recorded):
    federation = replace(recorded.federation, privacy=Privacy())
    unmasked = run_small(recorded.machine.sites, federation)
    assert_same(recorded.machine.study.run / "release", unmasked)


def test_a_sites_keys_are_its_users_alone(recorded):
    for name in recorded.holdings:
        folder = Home(recorded.machine.sites / name).masks
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
