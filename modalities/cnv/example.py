"""Writes small made-up copy number: matrices in cBioPortal's format, and the GDC's segments of the same tumours."""

import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modalities.cnv.arms import ARMS
from modalities.cnv.genome import assembly
from modalities.core.contract import Source

_ARMS: tuple[str, ...] = ("1q", "3q", "5q", "8p", "8q", "11q", "16q", "17q", "20q", "13q")
_GENES_AN_ARM = 6
_PROFILE_SEED = 20
_SIGNAL = 0.8
_SHEET = "File ID|File Name|Data Category|Data Type|Project ID|Case ID|Sample ID|Tissue Type|Tumor Descriptor"
_HEADER = "GDC_Aliquot|Chromosome|Start|End|Num_Probes|Segment_Mean"
_BASES_A_PROBE = 1600


def write_example(folder: Path, case_ids: Sequence[str], classes: Sequence[int], rng: np.random.Generator) -> Source:
    """Both matrices, `data_cna.txt` and `data_log2_cna.txt`, and `segments/`; genes of an arm move together.

    A class has a profile over the arms, the same at every site; classes 2k and 2k + 1 share half of theirs, so
    copy number tells the pairs apart better than their members.
    """
    folder.mkdir(parents=True, exist_ok=True)
    genes = [f"GENE{arm.upper()}{number}" for arm in _ARMS for number in range(1, _GENES_AN_ARM + 1)]
    arms = np.stack([_profile(label) for label in classes]) * _SIGNAL + rng.normal(0, 0.9, (len(classes), len(_ARMS)))
    ratios = np.repeat(arms, _GENES_AN_ARM, axis=1) * 0.45 + rng.normal(0, 0.15, (len(classes), len(genes)))
    calls = np.clip(np.round(ratios / 0.4), -2, 2).astype(int)
    _write(folder / "data_cna.txt", genes, case_ids, calls.T, "{}")
    _write(folder / "data_log2_cna.txt", genes, case_ids, ratios.T, "{:.3f}")
    _write_segments(folder / "segments", case_ids, arms * 0.45, rng.spawn(1)[0])  # leaves what rng draws next as it is
    return Source((folder,))


def _profile(label: int) -> np.ndarray:
    """A class's mean by arm; drawn from the class alone, so that sites agree on it."""
    pair = np.random.default_rng([_PROFILE_SEED, label // 2]).normal(0, 1, len(_ARMS))
    own = np.random.default_rng([_PROFILE_SEED, 7, label]).normal(0, 1, len(_ARMS))
    return 0.75 * pair + 0.35 * own


def _write(path: Path, genes: Sequence[str], case_ids: Sequence[str], rows: np.ndarray, form: str) -> None:
    lines = ["\t".join(["Hugo_Symbol", "Entrez_Gene_Id", *case_ids])]
    lines += [
        "\t".join([gene, "", *(form.format(value) for value in row)]) for gene, row in zip(genes, rows, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_segments(folder: Path, case_ids: Sequence[str], ratios: np.ndarray, rng: np.random.Generator) -> None:
    """A file an aliquot, named by nothing but a number, and the GDC's sample sheet; every tenth case has blood too."""
    folder.mkdir(exist_ok=True)
    sheet = [_SHEET.replace("|", "\t")]
    for number, case_id in enumerate(case_ids):
        known: dict[str, float] = dict(zip(_ARMS, ratios[number].tolist(), strict=True))
        for code, tissue, descriptor in (("01A", "Tumor", "Primary"), ("10A", "Normal", "Not Applicable")):
            if code == "10A" and number % 10:
                continue
            aliquot = str(uuid.UUID(bytes=rng.bytes(16), version=4))
            name = f"{aliquot}.nocnv_grch38.seg.v2.txt"
            means = [known.get(arm, 0.0) if code == "01A" else 0.0 for arm in ARMS]
            (folder / name).write_text(_segments(aliquot, means, rng), encoding="utf-8")
            kind = ("Copy Number Variation", "Masked Copy Number Segment", "EXAMPLE")
            sheet.append("\t".join([aliquot, name, *kind, case_id, f"{case_id}-{code}", tissue, descriptor]))
    (folder / "gdc_sample_sheet.tsv").write_text("\n".join(sheet) + "\n", encoding="utf-8")


def _segments(aliquot: str, means: Sequence[float], rng: np.random.Generator) -> str:
    """Two segments an arm, and two of X."""
    genome = assembly("hg38")
    spans = [(arm[:-1], *genome.arms[arm], mean) for arm, mean in zip(ARMS, means, strict=True)]
    spans.append(("X", 0, genome.lengths["X"], 0.0))
    cuts, noise, lines = (
        rng.uniform(0.2, 0.8, len(spans)),
        rng.normal(0, 0.1, (len(spans), 2)),
        [_HEADER.replace("|", "\t")],
    )
    for (chromosome, first, last, mean), cut, (left, right) in zip(spans, cuts, noise, strict=True):
        middle = int(first + cut * (last - first))
        for start, end, value in ((first + 1, middle, mean + left), (middle + 1, last, mean + right)):
            lines.append(f"{aliquot}\t{chromosome}\t{start}\t{end}\t{(end - start) // _BASES_A_PROBE}\t{value:.4f}")
    return "\n".join(lines) + "\n"
