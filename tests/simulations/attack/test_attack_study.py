"""An attack on made-up sites: what must be found is found, what cannot be is not; steps are those of real messages."""

import json

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from client.app import app as client_app
from modalities.core.settings.federation import federation_from
from server.phases.options import Options
from server.phases.order import run_study
from simulations.attack.cases import halves, halves_anew, read_cases
from simulations.attack.judge import counted, judged
from simulations.attack.plan import AttackPlan, refuse_other_steps
from simulations.attack.private import private_step
from simulations.attack.training import train
from simulations.attack.views import COUNTS, MEMBERS, Attacked, look, release_view, update_view
from simulations.cli import app
from simulations.cohorts.cohort import with_features_of_data, write_fold
from simulations.cohorts.inputs import federation_of
from simulations.cohorts.synthetic import make_cohort
from simulations.engines.inline import AlteredGrid, InlineGrid
from simulations.report.sections import sections_of
from simulations.studies import attack
from simulations.studies.attack import attack_study
from strategies.private.accounting import noise_multiplier

ROUNDS = 25
OVERFITTED = [
    "fusion.fit=none", "fusion.head=mean", f"modalities.hif.federated.rounds={ROUNDS}",
    "modalities.hif.training.weight_decay=0.0", "modalities.hif.federated.server_lr=0.1",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("attack")
    asked = federation_of(["hif"], {}, 5, OVERFITTED)
    cohort = make_cohort(asked, out / "sites", 6, 26)
    return cohort, with_features_of_data(asked, cohort, out), out


@pytest.fixture(scope="module")
def attacked(made):
    cohort, federation, out = made
    cases = read_cases(write_fold(cohort, federation, [], {}, out / "all"), federation)
    return Attacked(cases, federation, (1, 5), (1, 3))


@pytest.fixture(scope="module")
def anew(attacked):
    return halves_anew(attacked.cases, 5, 12, 6)


@pytest.fixture(scope="module")
def studies(attacked):
    return [look(attacked, number) for number in range(12)]


def test_halves_are_even_by_site_and_class_and_differ_by_study(attacked):
    cases = attacked.cases
    first, second = (halves(cases, 5, number) for number in (0, 1))
    assert (first != second).any()
    assert (first == halves(cases, 5, 0)).all()
    for site in range(len(cases.sites)):
        for label in range(4):
            alike = (cases.site_of == site) & (cases.labels == label)
            assert abs(2 * first[alike].sum() - alike.sum()) <= 1


def test_training_on_pooled_members_is_the_study_of_real_messages(attacked, made, tmp_path):
    cohort, federation, _ = made
    cases, members = attacked.cases, halves(attacked.cases, 5, 0)
    others = [case_id for case_id, inside in zip(cases.case_ids, members, strict=True) if not inside]
    folder = write_fold(cohort, federation, others, {}, tmp_path)
    sent = {}

    def keep(part, server_round, before, after):
        sent[int(server_round)] = {name: array.copy() for name, array in after.items()}
        return after

    n_sites = len(cases.sites)
    grid = AlteredGrid(client_app, n_sites, {"site-root": str(folder)}, 2, keep)
    real = run_study(grid, federation, Options(sites=n_sites))
    study = train(cases, federation, "hif", members, rounds=(1, 3))
    for name, array in real.weights["hif"].items():
        assert study.weights[name] == pytest.approx(array, abs=2e-5)
    for server_round in (1, 3):
        ours, n_cases = study.updates[server_round][2]
        held = cases.rows["hif"]
        assert n_cases == (members & (cases.site_of == 2))[held].sum()
        for name, array in sent[server_round].items():
            assert ours[name] == pytest.approx(array, abs=1e-6)
    assert isinstance(grid, InlineGrid)


def test_an_overfitted_model_gives_its_members_away_and_members_drawn_anew_are_not_found(studies, anew):
    found = judged(studies, anew, 5)["hif"]
    release = found[release_view()]
    assert release["threshold"]["auc"]["low"] > 0.6
    assert release["likelihood_ratio"]["auc"]["low"] > 0.65
    assert found[update_view(1, 1)]["likelihood_ratio"]["auc"]["low"] > 0.65
    one, five = (found[update_view(size, 1)]["likelihood_ratio"]["auc"] for size in (1, 5))
    assert one["low"] > five["high"]
    for own in found.values():
        assert own["control"]["low"] < 0.5 < own["control"]["high"]
        assert own["control"]["value"] == pytest.approx(0.5, abs=0.01)


def test_members_under_labels_that_are_permuted_are_not_found(studies, anew):
    generator = np.random.default_rng(11)
    permuted = [{**study, MEMBERS: generator.permutation(study[MEMBERS])} for study in studies]
    found = judged(permuted, anew, 5)["hif"][release_view()]
    for kind in ("threshold", "likelihood_ratio"):
        assert found[kind]["auc"]["low"] < 0.5 < found[kind]["auc"]["high"]


def test_the_first_step_of_one_site_gives_its_classes_exactly_and_a_sum_of_five_its_total_alone(attacked, studies):
    cases = attacked.cases
    for study in studies[:3]:
        plain, summed = (study[f"{COUNTS}/hif/{update_view(size, 1)}"] for size in (1, 5))
        for site in cases.holders("hif"):
            held = cases.rows["hif"]
            inside = held[(study[MEMBERS] & (cases.site_of == site))[held]]
            true = np.bincount(cases.labels[inside], minlength=4)
            assert (np.rint(plain[site, 1]) == true).all()
            assert np.abs(plain[site, 1] - true).max() < 0.01
        assert np.nanmax(np.abs(summed[:, 2])) < 0.05  # of the group, every class
    table = counted(studies)["hif"]
    assert table[update_view(1, 1)]["exact"] == 1.0
    assert table[update_view(5, 1)]["exact"] < 0.2
    assert table[update_view(5, 1)]["site"] > 0.5 * table[update_view(5, 1)]["prior"]
    assert table[update_view(1, 3)]["site"] > 0.01  # later rounds must guess what the model says of the site's cases


def test_settings_whose_steps_are_not_pooled_are_refused_at_once():
    raw = {"modalities": {"hif": {"federated": {"local_epochs": 2, "patience": 3, "rounds": 4}}, "cnv": {}}}
    with pytest.raises(ValueError, match="one step over all cases") as found:
        refuse_other_steps(federation_from(raw), (1, 9))
    for said in ("fusion.fit=none", "hif.federated.local_epochs", "hif.federated.patience", "round 9"):
        assert said in str(found.value)
    assert "cnv" not in str(found.value)


def _private(epsilon, rounds):
    return federation_from(
        {
            "seed": 5,
            "fusion": {"preset": "private"},
            "privacy": {"masking": "simulated", "epsilon": epsilon, "cases": 20},
            "modalities": {"clinical": {"preset": "private", "inputs": "ihc", "federated": {"rounds": rounds}}},
        }
    )


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return make_cohort(_private(2.0, 1), tmp_path_factory.mktemp("records"), 3, 21)


def test_noise_of_an_epsilon_is_what_the_accountant_asks_for_and_repeats(records, tmp_path):
    private = _private(2.0, 1)
    cases = read_cases(write_fold(records, private, [], {}, tmp_path), private)
    nobody = np.zeros(len(cases.labels), dtype=bool)
    weights = [
        train(cases, private, "clinical", nobody, step=private_step(private, "clinical", 3, number)).weights
        for number in (0, 0, 1)
    ]
    same, repeated, other = (each["head.weight"] for each in weights)
    assert (same == repeated).all()
    assert (same != other).any()
    federated, privacy = private.modalities["clinical"].federated, private.privacy
    bound = federated.lr * privacy.clip * np.sqrt(same.shape[1] + 1)
    # one release at epsilon 2, delta 1e-5: z = 1.994; of three sites two are honest, so that the sum has 3/2 of it
    expected = 1.994 * bound * np.sqrt(3 / 2) / (3 * 20)
    assert same.std() == pytest.approx(expected, rel=0.25)


def test_private_training_on_pooled_members_is_the_study_of_real_messages_but_for_the_noise(records, tmp_path):
    """The two differ by two draws of noise and nothing else; rounds of .05, .0375 and .0125, carried on by .9."""
    private = _private(50.0, 3)
    cases = read_cases(write_fold(records, private, [], {}, tmp_path / "all"), private)
    members = halves(cases, 5, 0)
    others = [case_id for case_id, inside in zip(cases.case_ids, members, strict=True) if not inside]
    folder = write_fold(records, private, others, {}, tmp_path / "members")
    real = run_study(InlineGrid(client_app, 3, {"site-root": str(folder)}), private, Options(sites=3))
    ours = train(cases, private, "clinical", members, step=private_step(private, "clinical", 3, 0)).weights
    gap = ours["head.weight"] - real.weights["clinical"]["head.weight"]
    longest = private.privacy.clip * np.sqrt(gap.shape[1] + 1) * noise_multiplier(50.0, 1e-5, 3)
    carried = np.array([0.05 * 2.71, 0.0375 * 1.9, 0.0125])
    noise = longest * np.linalg.norm(carried) * np.sqrt(3 / 2) / (3 * 20)
    assert gap.std() == pytest.approx(np.sqrt(2) * noise, rel=0.25)
    assert np.abs(gap).max() < 5 * np.sqrt(2) * noise
    assert np.abs(ours["head.weight"]).max() > 8 * noise


@pytest.fixture(scope="module")
def ran(made, tmp_path_factory):
    cohort, federation, _ = made
    out = tmp_path_factory.mktemp("ran")
    plan = AttackPlan(studies=8, targets=4, sums=(1, 3, 12), rounds=(1,))
    return attack_study(cohort, federation, plan, {}, out, Console(quiet=True)), out, plan


def test_a_study_that_was_cut_off_trains_only_what_is_not_done_and_ends_the_same(ran, made, monkeypatch):
    results, out, plan = ran
    (out / "attack" / "5.npz").unlink()
    trained, really = [], attack.look
    monkeypatch.setattr(attack, "look", lambda *given: trained.append(given[1]) or really(*given))
    again = attack_study(made[0], made[1], plan, {}, out, Console(quiet=True))
    assert trained == [5]
    assert again == results
    with pytest.raises(ValueError, match="holds an experiment with other settings"):
        attack_study(made[0], made[1], AttackPlan(8, 4, (1, 3), (1,)), {}, out, Console(quiet=True))


def test_the_report_says_how_to_read_it_and_what_was_not_run(ran):
    results, out, _ = ran
    (section,) = sections_of(json.loads((out / "results.json").read_text("utf-8")))
    assert "An AUC of .5 means" in section.reading
    assert "No release under differential privacy was attacked" in section.note
    assert "hif: no sum of 12 of its" in section.note
    rows = [row[0] for row in section.tables[0].rows]
    assert rows == ["hif: one site, round 1", "hif: sum of 3 sites, round 1", "hif: release"]
    page = (out / "report.html").read_text("utf-8")
    assert 'id="attack"' in page
    assert results["attack"]["plan"]["studies"] == 8


def test_the_command_writes_a_study_file_that_repeats_it(tmp_path):
    words = ["--modalities", "hif", "sites=3", "cases=24", "studies=6", "targets=2", "sums=[1]", "seed=3"]
    words += ["modalities.hif.federated.rounds=3"]
    for given in (["attack", *words, "--out", "one"], ["run", "one/study.yaml", "--out", "two"]):
        given = [str(tmp_path / word) if word.startswith(("one", "two")) else word for word in given]
        result = CliRunner().invoke(app, given, env={"COLUMNS": "300"})
        assert result.exit_code == 0, result.output
    one, two = ((tmp_path / name / "results.json").read_bytes() for name in ("one", "two"))
    assert one == two
