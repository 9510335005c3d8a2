"""TCGA barcodes: which case a sample belongs to, and whether the sample is the primary tumour.

Source: https://docs.gdc.cancer.gov/Encyclopedia/pages/TCGA_Barcode/
"""

import re

_BARCODE = re.compile(r"^(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})(?:-(\d{2})[A-Z]?(?:-.*)?)?$")
_PRIMARY_TUMOUR = "01"


def case_of(sample: str) -> str | None:
    """The case of a sample id; None for a TCGA sample that is no primary tumour (normal tissue, metastasis).

    Any id that is no TCGA barcode is taken as a case_id as it stands.
    """
    match = _BARCODE.match(sample.strip())
    if match is None:
        return sample.strip()
    case_id, sample_type = match.groups()
    return case_id if sample_type in (None, _PRIMARY_TUMOUR) else None
