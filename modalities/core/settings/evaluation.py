"""How the finished model is measured; section `evaluation` of federation.yaml."""

from pydantic import StrictBool

from modalities.core.fields import ShareBetween, settings


@settings
class Evaluation:
    """The study's last phase (docs/evaluation.md)."""

    margin: ShareBetween = 0.01
    """Macro-AUROC by which the federated model may differ from another and still count as equivalent to it; to be
    chosen before anybody knows a result."""
    local: StrictBool = True
    """Each site also trains a model on its own cases alone, by the same recipe, for comparison; it never leaves."""
