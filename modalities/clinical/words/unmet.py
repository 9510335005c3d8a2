"""Words that site.yaml maps and no file has: misspelled, or left from another export."""

from collections.abc import Iterable, Mapping, Sequence

from modalities.clinical.config import Config
from modalities.clinical.harmonise import File
from modalities.clinical.reading import opened
from modalities.clinical.words.meanings import PLACE
from modalities.core.contract import Source
from modalities.core.files.spelling import cleaned
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem


def unreadable(source: Source, config: Config) -> Sequence[Problem]:
    """The words of `sources.clinical.values` that no file has, where all could be opened; `read` goes on without."""
    del config
    problems: list[Problem] = []
    files = opened(source, problems) if source.values else []
    return [] if any(one.level == "error" for one in problems) else unmet(source.values, files)


def unmet(values: Mapping[str, Mapping[str, str]], files: Iterable[File]) -> list[Problem]:
    """Words that are mapped and stand in none of the field's columns: misspelled, or of another export."""
    problems, files = [], list(files)
    for name, words in values.items():
        columns = {column for file in files for column in file.layout.columns.get(name, ()) if column in file.header}
        held: dict[str, str] = {}
        for file in files:
            places = [at for at, column in enumerate(file.header) if column in columns]
            held |= {cleaned(row[at]): row[at].strip() for row in file.body for at in places}
        gone = [word for word in words if cleaned(word) not in held]
        if gone:
            where = f"the columns of {name} ({listing(sorted(columns))})" if columns else f"any file: none has {name}"
            there = sorted({text for text in held.values() if text})
            remedy = f"correct or delete these lines; there is {listing(there)}" if there else "delete these lines"
            what = f"mapped, but not in {where}: {listing([repr(word) for word in gone])}"
            problems.append(Problem(what, remedy, file="site.yaml", where=f"{PLACE}.{name}"))
    return problems
