"""Names and numbers in federation.yaml that some disk, terminal or reader would not take."""

import re

import pytest

from modalities.core.settings.federation import federation_from


@pytest.mark.parametrize("name", ["cnv::x", "a b", "ﬁ", "größe", "x" * 41, "../x", "1a", "", "study"])
def test_a_modality_has_a_name_that_every_disk_and_terminal_takes(name):
    with pytest.raises(ValueError, match="a modality's name must be up to 40 letters from a to z, digits and _"):
        federation_from({"modalities": {name: {"kind": "cnv", "features": ["TP53"]}}})


def test_two_modalities_that_differ_in_capitals_only_would_be_one_file_on_some_disks():
    sections = {name: {"kind": "cnv", "features": ["TP53"]} for name in ("cnv", "hif", "CNV")}
    with pytest.raises(ValueError, match=r"^modalities\.CNV: differs from cnv in capitals only; name it otherwise$"):
        federation_from({"modalities": sections})


@pytest.mark.parametrize(
    "where",
    ["fusion.rounds", "fusion.network.rounds", "modalities.cnv.federated.rounds", "modalities.cnv.training.batch_size"],
)
def test_no_count_is_larger_than_what_reads_it_can_hold(where):
    for n, is_taken in ((10**9, True), (10**9 + 1, False), (10**400, False)):
        raw = {"modalities": {"cnv": {"features": ["TP53"]}}}
        *path, last = where.split(".")
        section = raw
        for key in path:
            section = section.setdefault(key, {})
        section[last] = n
        if is_taken:
            federation_from(raw)
        else:
            with pytest.raises(ValueError, match=rf"^{re.escape(where)}: must be at most 1e\+09, got 10"):
                federation_from(raw)


@pytest.mark.parametrize("seed", [2**63, -(2**63), 10**400])
def test_a_seed_has_64_bits(seed):
    with pytest.raises(ValueError, match=r"^seed: must be a whole number of 64 bits, got '-?\d{1,40}'$"):
        federation_from({"seed": seed, "modalities": {"cnv": {"features": ["TP53"]}}})
