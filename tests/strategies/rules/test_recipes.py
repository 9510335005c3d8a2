"""What each rule is tuned over where rules are compared: docs/strategies.md says it, and its numbers are of these."""

import pytest

from strategies.rule import rules

LOCAL_LR = ("lr", (0.0001, 0.001, 0.01), False)
"""Tenfold apart."""
TUNED = {
    "fedavg": LOCAL_LR,
    "fedprox": LOCAL_LR,
    "fedmedian": LOCAL_LR,
    "fedtrimmedavg": LOCAL_LR,
    "krum": LOCAL_LR,
    "multikrum": LOCAL_LR,
    "fedavgm": ("lr", (0.01, 0.1, 0.5), True),
    "fedadagrad": ("server_lr", (0.1, 1.0, 10.0), True),
    "fedadam": ("server_lr", (0.1, 1.0, 2.0), True),
    "fedyogi": ("server_lr", (0.1, 1.0, 2.0), True),
}
"""Rule -> the setting, its three values, and whether they multiply the modality's own default."""


def test_every_rule_is_tuned_over_three_values_of_one_setting():
    recipes = {name: rule.recipe for name, rule in rules().items()}
    assert {name: (own.tuned, own.values, own.of_default) for name, own in recipes.items()} == TUNED


@pytest.mark.parametrize("name", TUNED)
def test_rules_tuned_by_a_local_lr_train_two_epochs_of_adam_and_all_others_take_one_gradient_step(name):
    two_epochs = {"optimiser": "adam", "batch_size": 32, "local_epochs": 2, "schedule": "constant"}
    one_step = {"optimiser": "sgd", "batch_size": 0, "local_epochs": 1, "schedule": "constant"}
    pull = {"proximal_mu": 0.1} if name == "fedprox" else {}
    assert rules()[name].recipe.settings == (two_epochs if TUNED[name] == LOCAL_LR else one_step) | pull
