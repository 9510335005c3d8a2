"""One made-up cohort, written in every format and assembly, gives the same cases."""

import numpy as np
import pytest

from modalities.cnv import ARMS, Config
from modalities.cnv.genes import places_of
from modalities.cnv.genome import assembly
from modalities.cnv.reading import read
from tests.modalities.cnv.segments.genomes import CASE_IDS, FORMATS, expected

EACH = [(name, on) for name, written in FORMATS.items() for on in written.assemblies]
GENES = {"MYC": "8q", "ERBB2": "17q", "TP53": "17p", "CCND1": "11q", "PTEN": "10q", "EPRS": "1q", "ORC1L": "1p"}
"""Two by their former names."""


@pytest.mark.parametrize(("name", "on"), EACH)
def test_a_cohort_of_whole_copies_gives_the_same_cases_in_every_format_and_assembly(tmp_path, name, on):
    written = FORMATS[name]
    source = written.write(tmp_path, on)
    within, columns = written.log2_within, [ARMS.index(arm) for arm in GENES.values()]

    arms = read(source, Config(values="arms"))
    assert (arms.case_ids, arms.features) == (CASE_IDS, ARMS)
    np.testing.assert_allclose(arms.values, expected("log2"), rtol=0, atol=within)

    genes = read(source, Config(values="log2", features=[*GENES, "NO_SUCH_GENE"]))
    np.testing.assert_allclose(genes.values[:, :-1], expected("log2")[:, columns], rtol=0, atol=within)
    assert np.isnan(genes.values[:, -1]).all()
    assert genes.notes["genes of no known place, missing"] == 1

    if written.calls == "none":
        with pytest.raises(ValueError, match="of which no calls can be made; give a file of calls or copies"):
            read(source, Config(values="arms", arms_from="calls"))
        return
    wanted = np.sign(expected("calls")) if written.calls == "signs" else expected("calls")
    np.testing.assert_array_equal(read(source, Config(values="arms", arms_from="calls")).values, wanted)
    np.testing.assert_array_equal(read(source, Config(features=[*GENES])).values, wanted[:, columns])


@pytest.mark.parametrize("on", ["hg19", "hg38"])
def test_without_an_agreed_list_all_genes_that_are_known_have_the_value_of_their_arm(tmp_path, on):
    cases = read(FORMATS["VCF of GATK"].write(tmp_path, on), Config(values="calls"))
    assert len(cases.features) == 19_048
    arms, wanted = assembly(on).arms, expected("calls")
    for column, place in enumerate(places_of(on).values()):
        chromosome, first, last = place
        inside = [arm for arm in ARMS if arm[:-1] == chromosome and arms[arm][0] < first and last <= arms[arm][1]]
        if inside:
            np.testing.assert_array_equal(cases.values[:, column], wanted[:, ARMS.index(inside[0])])
