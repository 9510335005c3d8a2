"""Columns and values of a site's clinical files that nobody knows yet, with what they may mean."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from modalities.clinical.dictionary import BY_NAME
from modalities.clinical.harmonise import harmonise
from modalities.clinical.opening import files_of, paths_of, recognised
from modalities.clinical.readers import mapped
from modalities.clinical.words.columns import field_held
from modalities.clinical.words.meanings import meanings_of, permitted
from modalities.clinical.words.proposals import propose
from modalities.core.contract import Source
from modalities.core.files.leakage import refuse
from modalities.core.files.spelling import cleaned
from modalities.core.files.tables.delimited import rows_of
from modalities.core.hooks import COLUMNS, VALUES, Proposal, UnknownWord
from modalities.core.problems import Problem, gathering


def unknown_words(source: Source, problems: list[Problem]) -> Sequence[UnknownWord]:
    """Columns of the site's own tables that are not mapped, and values that neither the site nor the dictionary knows.

    A column that gives the answer away, or one without a value, is not among them. Why a file could not be opened is
    added to the problems.
    """
    return [*_columns(source), *_values(source, problems)]


def may_mean(section: str, field: str, written: str, means: str) -> str:
    """What is wrong with mapping a column to this field, or a word of this field to that; empty if nothing is."""
    if section == COLUMNS:
        return "" if means in mapped.FIELDS else f"no field {means!r}; there are {', '.join(mapped.FIELDS)}"
    problems: list[Problem] = []
    meanings_of({field: {written: means}}, problems)
    return "; ".join(problem.what for problem in problems)


def _values(source: Source, problems: list[Problem]) -> Iterator[UnknownWord]:
    ignored: list[Problem] = []
    files, _ = files_of(source, problems)
    meanings = meanings_of(source.values, problems)
    counts: Counter[tuple[str, str]] = Counter()
    spellings: dict[tuple[str, str], str] = {}
    for file in files:
        for value, lines in harmonise(file, meanings, ignored).unknown.items():
            word = value.field, cleaned(value.text)
            counts[word] += len(lines)
            spellings.setdefault(word, value.text)
    order = {name: place for place, name in enumerate(BY_NAME)}
    for word, count in sorted(counts.items(), key=lambda entry: (order[entry[0][0]], -entry[1], entry[0][1])):
        field, text = word[0], spellings[word]
        yield UnknownWord(VALUES, field, text, count, permitted(BY_NAME[field]), propose(field, text))


def _columns(source: Source) -> list[UnknownWord]:
    """Of each table that is none of the known formats; a field that two columns may hold is neither's for sure."""
    unknown: list[UnknownWord] = []
    for header, rows in _own_tables(source):
        taken = {*source.columns.values(), *source.case_ids}
        cells = {name: [row[at] for row in rows] for at, name in enumerate(header) if name not in taken}
        kept = {name: held for name, held in cells.items() if any(map(str.strip, held)) and name not in source.columns}
        leaks = refuse(kept)
        for name in kept.keys() - leaks.keys():
            proposal = field_held(name, kept[name])
            if proposal and proposal.means in source.columns:
                proposal = None
            n_held = sum(bool(cell.strip()) for cell in kept[name])
            unknown.append(UnknownWord(COLUMNS, "", name, n_held, ", ".join(mapped.FIELDS), proposal))
    order = {name: place for place, name in enumerate(mapped.FIELDS)}
    settled = [_once(word, unknown) for word in unknown if word.written != mapped.CASE_ID]
    return sorted(
        settled, key=lambda word: (order[word.proposal.means] if word.proposal else len(order), word.written.casefold())
    )


def _once(word: UnknownWord, words: Sequence[UnknownWord]) -> UnknownWord:
    """The word, less sure where another column is as likely to hold its field."""
    if word.proposal is None:
        return word
    rivals = [
        other.proposal
        for other in words
        if other.written != word.written and other.proposal and other.proposal.means == word.proposal.means
    ]
    if all(rival.sureness < word.proposal.sureness for rival in rivals):
        return word
    doubtful = Proposal(word.proposal.means, min(0.5, word.proposal.sureness))
    return UnknownWord(word.section, word.field, word.written, word.count, word.permitted, doubtful)


def _own_tables(source: Source) -> Iterator[tuple[Sequence[str], Sequence[Sequence[str]]]]:
    for path in paths_of(source, []):
        with gathering([]):
            if _is_own(path, source):
                header, *rows = rows_of(path, sheet=source.sheet)
                yield header, rows


def _is_own(path: Path, source: Source) -> bool:
    return source.format in ("auto", mapped.NAME) and recognised(path) == mapped.NAME
