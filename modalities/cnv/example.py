"""Writes small made-up copy-number matrices in cBioPortal's format."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modalities.core.contract import Source

_ARMS = ("1q", "3q", "5q", "8p", "8q", "11q", "16q", "17q", "20q", "13q")
_GENES_AN_ARM = 6
_PROFILE_SEED = 20
_SIGNAL = 0.8


def write_example(folder: Path, case_ids: Sequence[str], classes: Sequence[int], rng: np.random.Generator) -> Source:
    """Both matrices, `data_cna.txt` and `data_log2_cna.txt`; genes of an arm move together, as in tumours.

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
