"""The study that runs when nobody names one: made-up data of three modalities, a few rounds."""

from modalities.core.settings.federation import Federation, federation_from
from modalities.core.site.example import example_features


def example_federation(seed: int) -> Federation:
    """Settings for the sites that `write_example_site` makes up."""
    return federation_from(
        {
            "seed": seed,
            "modalities": {
                name: {"kind": kind, "features": example_features(kind), "federated": {"rounds": 5}}
                for name, kind in (("cnv", "cnv"), ("clinical", "clinical"), ("hif", "table"))
            },
        }
    )
