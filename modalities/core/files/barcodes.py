"""Which case a sample belongs to, and whether it is the primary tumour: by TCGA barcode, or by its type.

Source: https://docs.gdc.cancer.gov/Encyclopedia/pages/TCGA_Barcode/
"""

import re

_BARCODE = re.compile(r"^(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})(?:-(\d{2})[A-Z]?(?:-.*)?)?$")
_PRIMARY_TUMOUR = "01"
# The words of cBioPortal's studies and of the GDC: "Lymph node metastasis", "Recurrent Tumor", "Blood Derived Normal".
_NOT_PRIMARY = re.compile(
    r"(?!primary).*(?:metasta|recurr|relapse|progress|normal|plasma|\bcf-?dna)|.*(?:xenograft|cell.?line|organoid)"
)


def case_of(sample: str) -> str | None:
    """The case of a sample id; None for a TCGA sample that is no primary tumour (normal tissue, metastasis).

    Any id that is no TCGA barcode is taken as a case_id as it stands.
    """
    match = _BARCODE.match(sample.strip())
    if match is None:
        return sample.strip()
    case_id, sample_type = match.groups()
    return case_id if sample_type in (None, _PRIMARY_TUMOUR) else None


def is_primary_tumour(sample_type: str) -> bool:
    """Whether cBioPortal's sample type leaves the sample a primary tumour; a blank one does."""
    return not _NOT_PRIMARY.match(sample_type.strip().casefold())
