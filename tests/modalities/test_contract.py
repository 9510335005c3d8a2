"""Every plug-in that the registry finds keeps the contract; a plug-in added tomorrow is tested here without an edit."""

import dataclasses
import subprocess
import sys
import types
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import modalities
from modalities.core.blocks.branch import Branch, n_weights
from modalities.core.blocks.networks import SelfNormalisingNetwork
from modalities.core.contract import Cases, Modality
from modalities.core.registry import _checked, kinds, plugin, plugins
from modalities.core.seeds import seed_of
from modalities.core.settings.federation import federation_from
from modalities.core.settings.training import BranchConfig
from modalities.core.site.tensor_files import load_tensors, save_tensors

N_CLASSES = 4
N_CASES = 61


def write(folder, kind, seed, n_cases=N_CASES):
    """Classes and raw files of the plug-in's own example; plug-ins that read the same files share them."""
    name = getattr(plugin(kind), "EXAMPLE_FOLDER", kind)
    rng = np.random.default_rng(seed_of("contract", name, seed))
    classes = rng.integers(0, N_CLASSES, n_cases)
    case_ids = [f"case-{number:03d}" for number in range(n_cases)]
    return classes, plugin(kind).write_example(folder / name, case_ids, [int(label) for label in classes], rng)


def examples(folder):
    """A function of (kind, seed): classes, raw files, and the cases read of them, each made once."""

    written = {}

    @cache
    def made(kind, seed=0):
        files = getattr(plugin(kind), "EXAMPLE_FOLDER", kind), seed
        if files not in written:
            written[files] = write(folder / str(seed), kind, seed)
        classes, source = written[files]
        return classes, source, plugin(kind).read(source, config_of(kind))

    return made


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """One set for all tests: slides take a while."""
    return examples(tmp_path_factory.mktemp("example"))


def config_of(kind, **settings):
    return federation_from({"modalities": {"x": {"kind": kind, **settings}}}).modalities["x"]


def prepared_of(kind, cases, config):
    module = plugin(kind)
    state = module.finalise(module.sums(cases, config), config)
    return state, module.prepare(cases, state, config)


@pytest.fixture(params=sorted(plugins()))
def kind(request):
    return request.param


def test_registry_finds_every_module_beside_core_and_slides():
    names = {
        path.stem
        for path in Path(modalities.__path__[0]).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert set(plugins()) == names - {"__init__", "core", "slides"}
    assert {"cnv", "table"} <= set(plugins())


def test_plugin_keeps_the_contract(kind):
    module = plugin(kind)
    assert isinstance(module, Modality)
    assert issubclass(module.Config, BranchConfig)
    assert dataclasses.is_dataclass(module.Config)
    assert module.Config.__dataclass_params__.frozen
    with pytest.raises(dataclasses.FrozenInstanceError, match="features"):
        module.Config().features = []
    for preset in module.PRESETS:
        assert config_of(kind, preset=preset).preset == preset


def test_example_holds_the_cases_asked_for(kind, example):
    cases = example(kind)[2]
    assert set(cases.case_ids) <= {f"case-{number:03d}" for number in range(N_CASES)}
    assert len(cases.case_ids) > 0.8 * N_CASES
    assert len(set(cases.case_ids)) == len(cases.case_ids)


def test_example_is_the_same_for_the_same_seed(kind, tmp_path):
    one, again = (write(tmp_path / name, kind, seed=0, n_cases=11)[1] for name in ("one", "again"))
    for path, other in zip(one.paths, again.paths, strict=True):
        files = sorted(file for file in [path, *path.rglob("*")] if file.is_file())
        others = sorted(file for file in [other, *other.rglob("*")] if file.is_file())
        assert [file.read_bytes() for file in files] == [file.read_bytes() for file in others]


def test_sums_are_float64_and_those_of_two_halves_add_up_to_those_of_the_whole(kind, example):
    module, config = plugin(kind), config_of(kind)
    cases = example(kind)[2]
    cut = 31
    halves = [module.sums(cases.select(ids), config) for ids in (cases.case_ids[:cut], cases.case_ids[cut:])]
    whole = module.sums(cases, config)
    assert whole.keys() == halves[0].keys() == halves[1].keys()
    for name, array in whole.items():
        assert array.dtype == np.float64
        np.testing.assert_allclose(halves[0][name] + halves[1][name], array, rtol=1e-9, atol=1e-9)


def test_sums_of_no_case_are_zeros_that_tell_names_and_agreed_lengths(kind, example):
    """The coordinator holds what sites send against them; a length that only the data know is 0."""
    module, cases = plugin(kind), example(kind)[2]
    config = config_of(kind, features=list(cases.features)) if cases.features else config_of(kind)
    nobody = Cases((), np.zeros((0, len(cases.features)), np.float32), cases.features)
    template, sums = module.sums(nobody, config), module.sums(cases, config)
    assert template.keys() == sums.keys()
    for name, array in template.items():
        assert array.dtype == np.float64
        assert not array.any()
        assert len(array.shape) == len(sums[name].shape)
        lengths = zip(array.shape, sums[name].shape, strict=True)
        assert all(agreed in (0, length) for agreed, length in lengths), name
        assert not cases.features or array.shape == sums[name].shape


def test_sums_name_no_case(kind, example):
    module, cases = plugin(kind), example(kind)[2]
    assert not any(array.dtype.kind in "OSU" for array in module.sums(cases, config_of(kind)).values())


def test_state_is_plain_arrays_that_two_sites_get_alike(kind, example):
    module, config = plugin(kind), config_of(kind)
    total = module.sums(example(kind)[2], config)
    one, other = (module.finalise({name: array.copy() for name, array in total.items()}, config) for _ in range(2))
    assert one.keys() == other.keys()
    assert all(isinstance(array, np.ndarray) and array.dtype.kind in "fiub" for array in one.values())
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_what_is_read_and_prepared_comes_back_from_disk_as_it_was(kind, example, tmp_path):
    module, config, cases = plugin(kind), config_of(kind), example(kind)[2]
    state, prepared = prepared_of(kind, cases, config)
    save_tensors(tmp_path / "read", cases)
    save_tensors(tmp_path / "prepared", prepared)
    read, rows = load_tensors(tmp_path / "read"), torch.tensor([3, 0, 7])
    assert (read.case_ids, read.features, read.notes) == (cases.case_ids, cases.features, cases.notes)
    assert all(
        np.array_equal(array, module.sums(read, config)[name]) for name, array in module.sums(cases, config).items()
    )
    encoder = module.build_encoder(config, state).eval()
    kept = module.collate(load_tensors(tmp_path / "prepared"), rows)
    assert torch.equal(encoder(kept), encoder(module.collate(prepared, rows)))


def test_the_numbers_of_a_branch_are_counted_without_making_it(kind, example):
    config = config_of(kind)
    state, _ = prepared_of(kind, example(kind)[2], config)
    branch = Branch(plugin(kind).build_encoder(config, state), N_CLASSES)
    assert n_weights(config, state, N_CLASSES) == sum(tensor.numel() for tensor in branch.state_dict().values()) > 0


def test_gradient_flows_from_the_logits_to_every_weight(kind, example):
    module, config = plugin(kind), config_of(kind)
    cases = example(kind)[2]
    state, prepared = prepared_of(kind, cases, config)
    torch.manual_seed(0)
    branch = Branch(module.build_encoder(config, state), N_CLASSES)
    torch.nn.init.normal_(branch.head.weight)
    rows = torch.tensor([4, 0, 17, 9, 2])
    embedding, logits = branch.eval()(module.collate(prepared, rows))
    assert embedding.shape == (5, branch.encoder.embedding_size)
    assert logits.shape == (5, N_CLASSES)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 3, 1, 2, 0])).backward()
    for name, weights in branch.named_parameters():
        assert weights.grad is not None, name
        assert bool(torch.isfinite(weights.grad).all()), name
        assert bool(weights.grad.any()), name


def test_a_case_is_prepared_alike_alone_and_among_others(kind, example):
    module, config = plugin(kind), config_of(kind)
    cases = example(kind)[2]
    state, prepared = prepared_of(kind, cases, config)
    branch = Branch(module.build_encoder(config, state), N_CLASSES).eval()
    alone = module.prepare(cases.select([cases.case_ids[7]]), state, config)
    together = branch(module.collate(prepared, torch.tensor([3, 7])))[0][1]
    assert torch.allclose(branch(module.collate(alone, torch.tensor([0])))[0][0], together, atol=1e-5)


def test_agreed_features_come_in_their_order_and_an_absent_one_is_missing_and_counted(kind, example):
    _, source, cases = example(kind)
    if not cases.features:
        pytest.skip(f"{kind} has no columns to agree on")
    module = plugin(kind)
    turned = list(reversed(cases.features))
    again = module.read(source, config_of(kind, features=turned))
    assert again.features == tuple(turned)
    np.testing.assert_array_equal(again.values, cases.values[:, ::-1])
    agreed = [cases.features[2], "nobody_has_this", cases.features[0]]
    found = module.read(source, config_of(kind, features=agreed))
    assert found.features == tuple(agreed)
    assert found.case_ids == cases.case_ids
    assert np.isnan(found.values[:, 1]).all()
    np.testing.assert_array_equal(found.values[:, [0, 2]], cases.values[:, [2, 0]])
    more = {name: count - cases.notes.get(name, 0) for name, count in found.notes.items()}
    assert 1 in more.values(), "the absent feature is counted in the notes"


def test_example_has_a_signal_that_a_linear_model_learns(kind, example):
    """Trained on one made-up site, tested on another: well above chance, or the demo shows nothing."""
    module, config = plugin(kind), config_of(kind)
    classes, _, cases = example(kind)
    test_classes, _, test_cases = example(kind, seed=1)
    state, prepared = prepared_of(kind, cases, config)
    torch.manual_seed(0)
    branch = Branch(module.build_encoder(config, state), N_CLASSES)
    optimiser = torch.optim.Adam(branch.parameters(), lr=0.01, weight_decay=0.02)
    rows, labels = torch.arange(len(cases.case_ids)), torch.tensor([classes[int(name[-3:])] for name in cases.case_ids])
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(branch(module.collate(prepared, rows))[1], labels).backward()
        optimiser.step()
    new = module.prepare(test_cases, state, config)
    rows = torch.arange(len(test_cases.case_ids))
    found = branch.eval()(module.collate(new, rows))[1].argmax(dim=1).numpy()
    truth = np.array([test_classes[int(name[-3:])] for name in test_cases.case_ids])
    recall = [(found[truth == label] == label).mean() for label in range(N_CLASSES)]
    assert np.mean(recall) > 0.35  # chance is 0.25


def test_module_that_lacks_part_of_the_contract_is_an_error_that_names_it():
    broken = types.ModuleType("modalities.broken")
    broken.__dict__.update(vars(plugin("table")))
    del broken.collate, broken.write_example
    with pytest.raises(
        TypeError, match=r"modalities/broken: a modality must define collate, write_example \(see docs/"
    ):
        _checked(broken, "broken")


def test_settings_that_check_nothing_are_an_error():
    class Config(BranchConfig):
        pass

    broken = types.ModuleType("modalities.broken")
    broken.__dict__.update(vars(plugin("table")) | {"Config": Config})
    with pytest.raises(TypeError, match="modalities/broken: Config must be made by `@settings`"):
        _checked(broken, "broken")


def test_broken_file_in_the_folder_is_an_error_never_skipped(tmp_path, monkeypatch):
    (tmp_path / "halfway.py").write_text('"""A plug-in that somebody began."""\nPRESETS = {}\n')
    monkeypatch.setattr(modalities, "__path__", [*modalities.__path__, str(tmp_path)])
    kinds.cache_clear()
    try:
        with pytest.raises(TypeError, match="modalities/halfway: a modality must define Config, read, sums"):
            plugins()
    finally:
        kinds.cache_clear()
        sys.modules.pop("modalities.halfway", None)
        modalities.__dict__.pop("halfway", None)


def test_a_plugin_is_imported_alone():
    """A process of one message imports what its study needs: the others bring libraries that take a while."""
    code = "from modalities.core.registry import plugin; plugin('table'); import sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "modalities.table" in found
    assert not {"modalities.cnv", "modalities.clinical", "modalities.wsi_image", "modalities.wsi_graph"} & set(found)


def test_unknown_kind_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"no modality of kind 'os\.system'; known kinds: .*table"):
        plugin("os.system")


def test_linear_branch_of_no_hidden_layer_is_the_features_themselves():
    features = torch.randn(3, 7)
    assert torch.equal(SelfNormalisingNetwork(7, [], 0.0, 0.0)(features), features)
