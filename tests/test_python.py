"""docs/python.md does what it says: its blocks run in order, and what it lists is there and documented."""

import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from modalities.core.added import HEAD, MODALITY, RULE, added, take_out
from modalities.core.fusion.head import head_named, heads, register_head
from modalities.core.registry import kinds, plugin, register_modality
from server.state.release import read_release
from simulations.arms.arms import ARM_NAMES
from simulations.scores.results import RESULTS
from simulations.studies.comparison import run_comparison
from simulations.studies.experiment import Protocol
from strategies.rule import register_rule, rules

DOC = (Path(__file__).resolve().parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", DOC, re.DOTALL | re.MULTILINE)
LISTED = re.findall(r"^\| `([a-z_.]+\.\w+)` \|", DOC, re.MULTILINE)
REGISTERED = {HEAD: "worth", RULE: "half_way", MODALITY: "ratio"}


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """What a notebook of these cells holds in the end, in a folder of its own."""
    names: dict = {"__name__": "notebook"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebook"))
        for number, block in enumerate(CODE):
            exec(compile(block, f"docs/python.md, block {number + 1}", "exec"), names)
        yield names
    for what, name in REGISTERED.items():
        take_out(what, name)
    for cached in (heads, rules, kinds, plugin):
        cached.cache_clear()


def test_a_comparison_gives_every_arm_on_every_set_as_a_frame_and_typed(notebook):
    found = notebook["found"]
    assert RESULTS.validate_python(found.results) == found.results
    scores = found.scores()
    assert set(scores["arm"]) == {*ARM_NAMES}
    fused = scores[(scores["arm"] == "centralised") & (scores["set"] == "fused")].iloc[0]
    assert fused["n"] == len(notebook["cases"]) == 120
    assert fused["value"] == found.results["arms"]["centralised"]["fused"]["macro_auroc"]["value"]
    assert fused["low"] < fused["value"] < fused["high"]
    assert fused["value"] > 0.65  # the frames carry a class signal, and so do the scores
    assert "federated-centralised" in set(found.differences()["difference"])
    assert found.report.is_file()
    assert set(found.predictions()["case_id"]) == set(notebook["cases"].index)


def test_a_frame_is_predicted_as_the_studys_own_test_cases_were(notebook):
    """Each of the first three is a test case of one of the two folds."""
    found, row = notebook["found"], notebook["predictions"].table().set_index("case_id")
    assert row["modalities"].tolist() == ["proteins+ratios", "proteins+ratios", "proteins"]
    tested = found.predictions().query("arm == 'federated' and set == 'fused'").set_index("case_id")
    for fold in (1, 2):
        release = notebook["open_release"](found.release(fold))
        own = tested.index[tested["fold"] == fold][:7]
        frames = {name: notebook[name].loc[own] for name in ("proteins", "ratios")}
        again = notebook["predict_frames"](release, frames)
        assert again.probabilities == pytest.approx(tested.loc[own, ["p_low", "p_high"]].to_numpy(), abs=1e-6)


def test_a_head_a_rule_and_a_modality_of_ones_own_take_part_in_a_study(notebook):
    own = notebook["own"]
    assert own.results["head"] == {"federated": ["worth", "worth"], "centralised": ["worth", "worth"]}
    study, _ = read_release(own.release())
    assert set(study.head) == {"proteins.a", "ratios.a"}
    assert all(abs(array).max() > 0 for array in study.head.values())  # all began at 0: the head was fitted
    assert study.federation.modalities["proteins"].federated.strategy == "half_way"
    # log2 of the ratios, whose means the sites' sums give: near half the shift between the classes, not that of exp.
    assert 0 < study.states["ratios"]["mean"].mean() < 2
    plain, _ = read_release(notebook["found"].release())
    assert plain.states["ratios"]["mean"].mean() > 2
    assert own.scores().query("arm == 'federated' and set == 'fused'")["value"].item() > 0.6


def test_half_way_is_half_of_the_way(notebook):
    rule = rules()["half_way"](notebook["mine"].modalities["proteins"].federated)
    assert rule.take(1, {"w": np.array([2.0, 4.0])}, {"w": np.array([3.0, 2.0])})["w"].tolist() == [2.5, 3.0]


@pytest.mark.parametrize(("workers", "engine"), [(2, "inline"), (1, "flower")])
def test_what_this_process_alone_knows_is_refused_where_others_would_need_it(notebook, tmp_path, workers, engine):
    said = (
        r"fusion head worth, aggregation rule half_way, modality ratio: known to this process alone; "
        r"give workers=1 and engine='inline', or make a file of it"
    )
    protocol = Protocol("refused", folds=2, engine=engine)
    with pytest.raises(ValueError, match=said):
        run_comparison(notebook["cohort"], notebook["mine"], protocol, tmp_path / "out", workers)
    assert not (tmp_path / "out").exists()


def test_a_cell_that_runs_again_replaces_and_a_files_name_is_refused(notebook):
    again = notebook["Worth"]()
    register_head("worth", again)
    assert head_named("worth") is again
    register_modality("ratio", plugin("ratio"))
    for register, what, name, thing in (
        (register_head, "fusion head", "mean", again),
        (register_rule, "aggregation rule", "fedavg", notebook["HalfWay"]),
        (register_modality, "modality", "cnv", plugin("ratio")),
    ):
        with pytest.raises(ValueError, match=f"the {what} '{name}' is among the files already"):
            register(name, thing)
        with pytest.raises(ValueError, match=f"a {what}'s name must be letters, digits and _, got 'a b'"):
            register("a b", thing)
    assert {what: [*added(what)] for what in REGISTERED} == {what: [name] for what, name in REGISTERED.items()}


def test_what_lacks_part_of_a_contract_is_refused_with_what_it_lacks():
    with pytest.raises(TypeError, match=r"fusion head 'empty': must define OPTIMISER, initial, logits, penalty \(see"):
        register_head("empty", object())
    with pytest.raises(TypeError, match=r"aggregation rule 'empty': must be a class, a Step or a Centre \(see"):
        register_rule("empty", object)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"modalities/empty: a modality must define Config, PRESETS, .*read, sums"):
        register_modality("empty", object())
    assert not {"empty"} & {*heads(), *rules(), *kinds()}


@pytest.mark.parametrize("name", LISTED)
def test_what_is_listed_is_there_and_says_what_it_gives(name):
    module, _, own = name.rpartition(".")
    thing = getattr(importlib.import_module(module), own)
    assert thing.__module__ == module, "listed where it is defined, so that no move breaks it unseen"
    assert inspect.getdoc(thing)


def test_every_name_of_the_project_that_a_block_imports_is_listed():
    imported = {
        f"{module}.{name.strip()}"
        for module, names in re.findall(r"^from (\w[\w.]*) import (.+)$", "\n".join(CODE), re.MULTILINE)
        for name in names.split(",")
        if module.split(".")[0] in ("client", "modalities", "server", "simulations", "strategies")
    }
    assert imported - {*LISTED} == {"modalities.table", "modalities.core.blocks.tabular"}  # said below the list
    assert len(LISTED) == len(set(LISTED)) >= 25
