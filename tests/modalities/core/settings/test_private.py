import pytest

from modalities.core.settings.federation import federation_from
from modalities.core.settings.private import releases_of
from strategies import settings as with_rules


def raw(**changes):
    """A private study by preset; dotted keys with __ for the dots change it."""
    federation = {
        "fusion": {"preset": "private"},
        "privacy": {"epsilon": 8.0, "masking": "required"},
        "modalities": {
            "cnv": {"preset": "private"},
            "clinical": {"preset": "private"},
            "hif": {"kind": "table", "preset": "private", "features": ["a", "b"], "ranges": {"*": [0.0, 4.0]}},
        },
    }
    for dotted, value in changes.items():
        *path, last = dotted.split("__")
        section = federation
        for key in path:
            section = section.setdefault(key, {})
        section[last] = value
    return federation


def test_the_preset_is_a_private_study():
    federation = with_rules.federation_from(raw())
    assert federation.fusion.fit == "none"
    assert federation.fusion.head == "mean"
    assert len(federation.modalities["cnv"].features) == 39
    assert releases_of(federation.modalities) == 180


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("fusion__fit", "crossfit", r"fusion\.fit: crossfit learns from held-out cases.*set `fit: none`"),
        ("fusion__fit", "tune", r"fusion\.fit: tune learns from held-out cases"),
        ("privacy__masked_bits", 32, r"privacy\.masked_bits: noise needs the grid of 64 bits, got 32; leave it at 64"),
        ("modalities__cnv__federated", {"patience": 5}, r"cnv\.federated\.patience: 5: held-out losses.*set 0, or"),
        ("modalities__cnv__federated", {"local_epochs": 2}, r"cnv\.federated\.local_epochs: .*one step.*got 2; set 1"),
        ("modalities__cnv__federated", {"batch_size": 32}, r"cnv\.federated\.batch_size: .*batches of 32; set 0"),
        ("modalities__cnv__federated", {"optimiser": "adam"}, r"cnv\.federated\.optimiser: .*got adam; set sgd"),
        ("modalities__cnv__federated", {"proximal_mu": 0.5}, r"cnv\.federated\.proximal_mu: .*got 0\.5; set 0"),
        ("modalities__cnv__training", {"prior_correction": 0.5}, r"training\.prior_correction: 0\.5: class counts"),
        ("modalities__cnv__training", {"class_weight_exponent": 1.0}, r"training\.class_weight_exponent: 1: class"),
        ("modalities__cnv__values", "calls", r"modalities\.cnv.*calls by gene: too many inputs.*`values: arms`"),
        ("modalities__hif__ranges", {"b": [0.0, 1.0]}, r"modalities\.hif: `ranges` has none of a; say where its"),
        (
            "modalities__hif__features",
            [],
            r"modalities\.hif: the columns must be agreed on.*; name a features_file",
        ),
        (
            "modalities__wsi_graph",
            {},
            r"modalities\.wsi_graph\.kind: wsi_graph has no scale that is public.*leave",
        ),
    ],
)
def test_what_would_spend_beside_the_accountant_is_refused_with_the_remedy(place, value, said):
    with pytest.raises(ValueError, match=said):
        federation_from(raw(**{place: value}))


def test_everything_is_allowed_without_an_epsilon():
    changed = raw(privacy={}, fusion__fit="crossfit", modalities__cnv__federated={"patience": 5})
    assert federation_from(changed).modalities["cnv"].federated.patience == 5


def test_every_problem_is_said_at_once():
    with pytest.raises(ValueError, match=r"fusion\.fit") as refused:
        federation_from(raw(fusion={}, modalities={"cnv": {"federated": {"patience": 3}}, "wsi_image": {}}))
    text = str(refused.value)
    assert all(place in text for place in ("fusion.fit", "cnv.federated.patience", "by gene", "wsi_image.kind"))


@pytest.mark.parametrize("privacy", [{"epsilon": 8.0, "masking": "simulated"}, {"masking": "required"}])
@pytest.mark.parametrize("rule", [{"strategy": "krum"}, {"strategy": "fedadam", "robust": "fedmedian"}])
def test_a_rule_that_must_see_each_update_is_refused_where_only_sums_are_seen(privacy, rule):
    changed = raw(privacy=privacy, modalities__cnv__federated=rule)
    name = rule.get("robust") or rule["strategy"]
    with pytest.raises(ValueError, match=rf"cnv\.federated\.\w+: {name} must see each site"):
        with_rules.federation_from(changed)
