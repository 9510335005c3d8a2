"""What the labels of a site's case list may mean, of those that a study knows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from modalities.core.files.spelling import cleaned
from modalities.core.files.tables.delimited import rows_of
from modalities.core.files.vocabulary import GENERAL, GLUE, MISSING, Vocabulary, words_of
from modalities.core.hooks import Proposal
from modalities.core.settings.task import Task
from modalities.core.site.cases import MISSING as NO_LABEL_WORD
from modalities.core.site.cases import label_meanings

# Names of molecular subtypes in English, German, French, Spanish and Italian.
_TERMS: Mapping[str, str] = {
    "luminal": "luminal, luminale, lum, luminaler, luminaux",
    "basal": "basal, basale, basaloid, basaloide, basalartig, basalahnlich, basalzellartig",
    "normal": "normal, normale, normalartig, normalahnlich",
    "like": "like, ahnlich, artig, simil, simile, similar, nah, enriched, angereichert, enrichi, enrichie, "
    "enriquecido, arricchito, arricchita, type, typ, tipo, subtype, subtyp, sous type, subtipo, sottotipo, tumor, "
    "tumour",
}
_SAYS_NOTHING = (GLUE, "like")


def unknown_labels(cases: Path, task: Task, own_labels: Mapping[str, str]) -> dict[str, int]:
    """The labels that neither the study nor the site's `labels` knows, with their cases, the most frequent first."""
    header, *rows = rows_of(cases)
    if task.label not in header:
        return {}
    known = {"", *task.drop, *task.class_by_label}
    meanings = label_meanings(own_labels, task, [])
    written = [row[header.index(task.label)].strip() for row in rows]
    counts = Counter(label for label in written if label not in known and cleaned(label) not in meanings)
    return dict(counts.most_common())


def label_meant(label: str, task: Task) -> Proposal | None:
    """The study's label whose words, in any of the five languages, are those of this label."""
    said, sureness = _words(label)
    if said == {MISSING}:
        return Proposal(NO_LABEL_WORD, sureness)
    near = {means for text, means in _known(task) if _words(text)[0] == said}
    return Proposal(near.pop(), sureness) if said and len(near) == 1 else None


def _known(task: Task) -> Iterable[tuple[str, str]]:
    """What is written for each class or dropped label, and the label itself."""
    return [
        *task.class_by_label.items(),
        *((name, known) for known, name in task.names.items()),
        *zip(task.drop, task.drop, strict=True),
    ]


def _words(label: str) -> tuple[frozenset[str], float]:
    """What a label's words stand for, and how sure it is; letters and words of no vocabulary stand for themselves."""
    apart = "".join(
        f" {sign}" if sign.isupper() and before.islower() else sign
        for before, sign in zip(" " + label, label, strict=False)
    )
    meant = [piece for piece in _vocabulary().meant(words_of(apart)) if piece.concept not in _SAYS_NOTHING]
    return frozenset(piece.concept or piece.text for piece in meant), min(
        (piece.sureness for piece in meant), default=1.0
    )


@cache
def _vocabulary() -> Vocabulary:
    return Vocabulary({**GENERAL, **_TERMS})
