"""What two federation.yaml differ in."""

from modalities.core.settings.differences import differences
from tests.support import small_federation


def test_differences_are_named_by_dotted_key_with_both_values():
    agreed = small_federation()
    genes = list(agreed.modalities["cnv"].features)
    sent = small_federation(
        fusion__folds=3, modalities__cnv__federated__rounds=4, modalities__cnv__features=[*genes[2:], "NEW1"]
    )
    assert differences({"agreed": agreed, "sent": agreed}) == []
    assert differences({"agreed": agreed, "sent": sent}) == [
        "fusion.folds: agreed 2, sent 3",
        f"modalities.cnv.features: agreed {len(genes)}, sent {len(genes) - 1}, "
        f"2 only in those agreed ({', '.join(sorted(genes[:2]))}), 1 only in those sent (NEW1)",
        "modalities.cnv.federated.rounds: agreed 2, sent 4",
    ]
    fewer = type(agreed)(agreed.seed, agreed.task, agreed.fusion, {"cnv": agreed.modalities["cnv"]})
    assert differences({"agreed": agreed, "sent": fewer}) == ["modalities.hif: agreed, not sent"]
    assert differences({"agreed": fewer, "sent": agreed}) == ["modalities.hif: sent, not agreed"]
