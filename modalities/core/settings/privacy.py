"""What the coordinator may see, and how much a model may tell of a patient; section `privacy` of federation.yaml."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictFloat

from modalities.core.fields import Count, Positive, Whole, settings
from modalities.core.problems import unusable
from modalities.core.settings.structured import as_far_as_possible
from modalities.core.settings.yaml_file import plain_in

LEAST_MASKED = 3
"""Sites whose sum may be opened: of two, each knows the other's part by taking away its own."""


def _off(value: Any) -> Any:
    """YAML 1.1 reads an unquoted `off` as false."""
    return "off" if value is False else value


@settings
class Privacy:
    """Masked sums, and differential privacy for patients."""

    masking: Annotated[Literal["required", "off", "simulated"], BeforeValidator(_off)] = "off"
    """`required`: sites send masked vectors, of which the coordinator can open the sum only (docs/masking.md);
    `off`: it sees what each site sends; `simulated`: no masks, and all else as under masks, noise included: for
    simulations, and no real site takes part."""
    masked_bits: Literal[32, 64] = 64
    """Of a masked weight: 64, or 32 for large networks, at half the bytes and a rounding of 4e-5 over the cases."""
    coordinator_holds_data: StrictBool = False
    """The coordinator's hospital is itself a site: it can take its own part from a sum, so one site more is asked."""
    epsilon: Annotated[StrictFloat, Field(ge=0, le=50)] = 0.0
    """What the whole study may tell of any one patient, all its modalities together; 0: no differential privacy.
    Above 10 it promises little."""
    delta: Annotated[StrictFloat, Field(gt=0, lt=1e-3)] = 1e-5
    """The chance that it tells more; well below 1 over the number of patients."""
    clip: Positive = 1.0
    """Longest gradient of a case, in roots of a branch's inputs: what is longer is cut to it."""
    cases: Count = 50
    """Cases that every site is counted with: a public number, since the true one would tell of a patient. It scales
    the step and nothing else; about the mean of the sites."""
    colluders: Whole = 1
    """Sites whose noise does not count, as they may tell it: one, since every site knows its own."""

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
    def sums_only(self) -> bool:
        """Whether no rule may look at a single site's update."""
        return self.is_masked or self.epsilon > 0

    @property
    def least_sites(self) -> int:
        """The sites of the smallest group whose sum is opened."""
        return LEAST_MASKED + self.coordinator_holds_data


def read_privacy(path: Path) -> Privacy:
    """The section of a federation.yaml, without the plug-ins that its other sections need.

    What is wrong with the file is left out here: whoever reads the whole of it says so.
    """
    try:
        raw = plain_in(path)
    except ValueError:
        return Privacy()
    section = raw.get("privacy") if isinstance(raw, dict) else None
    return as_far_as_possible(Privacy, section or {}, "privacy", [])
