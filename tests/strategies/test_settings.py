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
    assert re.search(said, problem)


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
        "modalities.cnv.federated: strategy: 'fedadamm' is not a rule; did you mean 'fedadam'?",
        "modalities.hif.federated: robust: 'crum' is not a rule; did you mean 'krum'?",
    ):
        assert said in str(error.value)


def test_dotted_settings_are_held_to_the_same(tmp_path):
    (tmp_path / "federation.yaml").write_text("modalities: {cnv: {}}\n")
    with pytest.raises(ValueError, match=r"modalities\.cnv\.federated: strategy: 'fedsgd' is not a rule"):
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
