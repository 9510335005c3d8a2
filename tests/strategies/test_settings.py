"""federation.yaml names rules: one that does not exist, or does not suit its settings, is refused when it is read."""

import ast
import re
from pathlib import Path

import pytest

from modalities.core.settings import federation
from modalities.core.settings.training import Federated
from strategies.aggregation import Aggregation
from strategies.rule import Centre, centres, rules
from strategies.settings import federation_from, load_federation, problems_of

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_rules_are_the_files_of_the_folder():
    files = {path.stem for path in (REPOSITORY / "strategies" / "rules").glob("*.py")} - {"__init__"}
    assert set(rules()) == files
    assert centres() == [name for name in sorted(files) if issubclass(rules()[name], Centre)]
    assert centres() == ["fedmedian", "fedtrimmedavg", "krum", "multikrum"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"strategy": "fedadamm"}, r"^strategy: 'fedadamm' is not a rule; did you mean 'fedadam'\? There are fedadag"),
        ({"strategy": ""}, r"^strategy: '' is not a rule"),
        (
            {"robust": "fedmedia"},
            r"^robust: 'fedmedia' is not a rule; did you mean 'fedmedian'\? There are fedmedian, fedtrimmed",
        ),
        (
            {"robust": "fedavg"},
            r"^robust: 'fedavg' is not a rule that can stand in for the mean; did you mean 'fedtrimmedavg'",
        ),
        (
            {"strategy": "krum", "robust": "fedmedian"},
            "^krum is robust by itself: leave `robust` empty, got 'fedmedian'$",
        ),
        ({"strategy": "fedprox"}, r"^fedprox needs proximal_mu > 0, got 0\.0$"),
    ],
)
def test_a_rule_that_does_not_exist_or_does_not_suit_is_named_with_the_nearest(settings, said):
    (problem,) = problems_of(Federated(**settings))
    assert re.search(said, str(problem))


def test_every_wrong_rule_is_named_and_nothing_is_said_of_settings_that_are_wrong_by_themselves():
    assert len(list(problems_of(Federated("fedadamm", robust="mean")))) == 2
    assert list(problems_of(Federated("fedprox"), complete=False)) == []


def test_wrong_rules_stand_beside_every_other_problem_of_the_file(tmp_path):
    (tmp_path / "federation.yaml").write_text(
        "seed: abc\nmodalities: {cnv: {federated: {strategy: fedadamm, rounds: 0}}, hif: {federated: {robust: crum}}}\n"
    )
    with pytest.raises(ValueError, match=r"^federation\.yaml, seed: ") as error:
        load_federation(tmp_path / "federation.yaml")
    for said in (
        "modalities.cnv.federated.rounds: must be at least 1",
        "modalities.cnv.federated.strategy: 'fedadamm' is not a rule; did you mean 'fedadam'?",
        "modalities.hif.federated.robust: 'crum' is not a rule; did you mean 'krum'?",
    ):
        assert said in str(error.value)


def test_dotted_settings_are_held_to_the_same(tmp_path):
    (tmp_path / "federation.yaml").write_text("modalities: {cnv: {}}\n")
    with pytest.raises(ValueError, match=r"modalities\.cnv\.federated\.strategy: 'fedsgd' is not a rule"):
        load_federation(tmp_path / "federation.yaml", ["modalities.cnv.federated.strategy=fedsgd"])


def test_settings_are_those_that_the_core_reads():
    raw = {"modalities": {"cnv": {"federated": {"strategy": "fedadam", "robust": "krum"}}}}
    assert federation_from(raw).digest == federation.federation_from(raw).digest


def test_a_release_is_read_where_its_rule_is_not_there_but_cannot_be_trained_on():
    settings = federation.federation_from({"modalities": {"cnv": {"federated": {"strategy": "fedsgd"}}}})
    with pytest.raises(ValueError, match=r"no aggregation rule 'fedsgd'; known rules: fedadagrad, fedadam, "):
        Aggregation(settings.modalities["cnv"].federated)


def test_everybody_above_the_rules_reads_federation_yaml_with_its_rules_checked():
    """The core's own loader takes any rule."""
    files = [path for folder in ("client", "server", "simulations") for path in (REPOSITORY / folder).rglob("*.py")]
    imports = [
        (path, node.module, alias.name)
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == "load_federation"
    ]
    assert len(imports) > 5
    assert {module for _, module, _ in imports} == {"strategies.settings"}


MASKED = {"masking": "required"}


@pytest.mark.parametrize("name", ["fedmedian", "fedtrimmedavg", "krum", "multikrum"])
def test_a_rule_that_sees_each_update_is_refused_under_masks_in_either_place(name):
    steps = "fedadagrad, fedadam, fedavg, fedavgm, fedprox, fedyogi"
    what = f"{name} must see each site's update; under masks nobody does (privacy.masking: required)"
    for place, remedy in (("strategy", "take one of"), ("robust", "leave it empty, with a `strategy` among")):
        settings = {"federated": {place: name}}
        with pytest.raises(ValueError, match=name) as error:
            federation_from({"privacy": MASKED, "modalities": {"cnv": settings}})
        assert str(error.value) == f"modalities.cnv.federated.{place}: {what}; {remedy} {steps}"
        assert not federation_from({"modalities": {"cnv": settings}}).privacy.is_masked


@pytest.mark.parametrize("name", ["fedadagrad", "fedadam", "fedavg", "fedavgm", "fedyogi"])
def test_a_step_is_taken_under_masks(name):
    raw = {"privacy": MASKED, "modalities": {"cnv": {"federated": {"strategy": name}}}}
    assert federation_from(raw).modalities["cnv"].federated.strategy == name


def test_every_modality_that_masks_forbid_is_named_beside_what_else_is_wrong(tmp_path):
    (tmp_path / "federation.yaml").write_text(
        "privacy: {masking: required, delta: 3}\n"
        "modalities:\n"
        "  cnv: {federated: {strategy: krum}}\n"
        "  clinical: {federated: {robust: fedmedian, rounds: 0}}\n"
        "  hif: {federated: {strategy: multikrum, robust: fedtrimmedavg}}\n"
    )
    with pytest.raises(ValueError, match=r"federation\.yaml, privacy\.delta: must be below 0\.001, got 3") as error:
        load_federation(tmp_path / "federation.yaml")
    places = [line.split(": ")[0] for line in str(error.value).splitlines()]
    assert places == [
        "federation.yaml, privacy.delta",
        "federation.yaml, modalities.cnv.federated.strategy",
        "federation.yaml, modalities.clinical.federated.rounds",
        "federation.yaml, modalities.clinical.federated.robust",
        "federation.yaml, modalities.hif.federated.strategy",
        "federation.yaml, modalities.hif.federated.robust",
        "federation.yaml, modalities.hif.federated",
    ]


def test_an_unquoted_off_is_taken_and_epsilon_without_masks_is_not(tmp_path):
    path = tmp_path / "federation.yaml"
    path.write_text("privacy: {masking: off}\nmodalities: {cnv: {}}\n")
    assert not load_federation(path).privacy.is_masked
    without = r"privacy\.epsilon: .* there are none: got epsilon 8; set privacy\.masking: required\n"
    with pytest.raises(ValueError, match=without) as error:
        load_federation(path, ["privacy.epsilon=8.0", "modalities.cnv.federated.rounds=0"])
    assert "modalities.cnv.federated.rounds: must be at least 1" in str(error.value)
    private = [
        "privacy.epsilon=8.0",
        "privacy.masking=required",
        "fusion.preset=private",
        "modalities.cnv.preset=private",
    ]
    assert load_federation(path, private).privacy.epsilon == 8.0
