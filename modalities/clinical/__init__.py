"""Clinical records in one harmonised dictionary: of GDC, Xena, cBioPortal, OMOP, FHIR, REDCap and mapped tables."""

from modalities.clinical.config import PRESETS, Config, features_of
from modalities.clinical.example import write_example
from modalities.clinical.frame import of_frame
from modalities.clinical.inputs import prepare, public_state, sums, vectors
from modalities.clinical.opening import recognised
from modalities.clinical.plausible import plausibility
from modalities.clinical.reading import read
from modalities.clinical.words.unknown import may_mean, unknown_words
from modalities.clinical.words.unmet import unreadable
from modalities.core.blocks.tabular import build_encoder, collate, finalise

__all__ = [
    "PRESETS",
    "Config",
    "build_encoder",
    "collate",
    "features_of",
    "finalise",
    "may_mean",
    "of_frame",
    "plausibility",
    "prepare",
    "public_state",
    "read",
    "recognised",
    "sums",
    "unknown_words",
    "unreadable",
    "vectors",
    "write_example",
]
