"""What the coordinator may see, and how much a model may tell of a patient; section `privacy` of federation.yaml."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictFloat

from modalities.core.fields import NotNegative, settings
from modalities.core.problems import unusable

LEAST_MASKED = 3
"""Sites whose sum may be opened: of two, each knows the other's part by taking away its own."""


def _off(value: Any) -> Any:
    """YAML 1.1 reads an unquoted `off` as false."""
    return "off" if value is False else value


@settings
class Privacy:
    """Masked sums, and differential privacy for patients."""

    masking: Annotated[Literal["required", "off"], BeforeValidator(_off)] = "off"
    """`required`: sites send masked vectors, of which the coordinator can open the sum only (docs/masking.md);
    `off`: it sees what each site sends."""
    masked_bits: Literal[32, 64] = 64
    """Of a masked weight: 64, or 32 for large networks, at half the bytes and a rounding of 4e-5 over the cases."""
    coordinator_holds_data: StrictBool = False
    """The coordinator's hospital is itself a site: it can take its own part from a sum, so one site more is asked."""
    epsilon: NotNegative = 0.0
    """What the whole study may tell of any one patient, all its modalities together; 0: no differential privacy."""
    delta: Annotated[StrictFloat, Field(gt=0, lt=1e-3)] = 1e-5
    """The chance that it tells more; well below 1 over the number of patients."""

    def __post_init__(self) -> None:
        """Refuse noise that would be added where the coordinator sees what lies below it."""
        if self.epsilon > 0 and self.masking == "off":
            what = (
                f"differential privacy here is added inside the masks, and there are none: got epsilon {self.epsilon:g}"
            )
            raise unusable(what, "set privacy.masking: required", where="privacy.epsilon")

    @property
    def is_masked(self) -> bool:
        """Whether sites send masked vectors."""
        return self.masking == "required"

    @property
    def least_sites(self) -> int:
        """The sites of the smallest group whose sum is opened."""
        return LEAST_MASKED + self.coordinator_holds_data
