"""The case ids of a hospital's exports: which column of a table holds them, and what the readers say."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from client.exports.found import Export
from modalities.core.contract import Source
from modalities.core.registry import plugin
from modalities.core.settings.training import BranchConfig

_NO_ID = re.compile(r"|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2}.*|-?\d+[.,]\d+")
"""Nothing, a date, a decimal."""


def id_columns(exports: Sequence[Export]) -> dict[Path, str]:
    """The column of case ids of each table that has to be mapped and may have one.

    Its values are distinct and stand in every row; of several such columns, it is the one that shares most of them with
    one column of another export, or with the names of its columns or of all files. Where none shares any, the first.
    """
    found = {}
    for export in exports:
        names = [name for name, cells in export.columns.items() if _may_be_ids(cells)] if export.is_to_map else []
        if names:
            elsewhere = _elsewhere(export, exports)
            met = {name: max(len(held.intersection(export.columns[name])) for held in elsewhere) for name in names}
            found[export.path] = max(names, key=lambda name: met[name])
    return found


def case_ids(exports: Sequence[Export], columns: Mapping[Path, str]) -> list[str]:
    """The ids in these columns, in the order of the first table that has them."""
    held = (export.columns[columns[export.path]] for export in exports if export.path in columns)
    return list(dict.fromkeys(case_id for cells in held for case_id in cells))


def ids_read(sources: Mapping[str, Source], configs: Mapping[str, BranchConfig]) -> list[str]:
    """The case ids that the readers find in sources that can be read as they stand; of the others, none."""
    found: dict[str, None] = {}
    for name, source in sources.items():
        if not hasattr(configs[name], "slides"):  # these would be prepared, which takes hours
            found |= dict.fromkeys(_ids_in(source, configs[name]))
    return list(found)


def _ids_in(source: Source, config: BranchConfig) -> Sequence[str]:
    try:
        return plugin(config.kind).read(source, config).case_ids
    except ValueError:  # `check` says what is wrong
        return ()


def _may_be_ids(cells: Sequence[str]) -> bool:
    return len(cells) > 1 and len(set(cells)) == len(cells) and not any(_NO_ID.fullmatch(cell) for cell in cells)


def _elsewhere(export: Export, exports: Sequence[Export]) -> list[set[str]]:
    """Where the same ids may stand: in columns, as names of columns, as names of files."""
    others = [other for other in exports if other is not export]
    stems = {other.path.name.partition(".")[0] for other in others}
    columns = (
        cells for other in others for cells in other.columns.values() if not other.is_to_map or _may_be_ids(cells)
    )
    return [stems, *({*other.columns} for other in others), *map(set, columns)]
