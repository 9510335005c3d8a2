"""REDCap exports in words: codes become the labels of their choices, the rows of a record's events belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from modalities.clinical.dictionary import BY_NAME
from modalities.clinical.harmonise import File
from modalities.clinical.readers import mapped
from modalities.clinical.readers.ages import BIRTH, DIAGNOSIS, with_dates
from modalities.clinical.readers.layout import DAYS
from modalities.clinical.readers.redcap.dictionary import (
    CHECKBOX,
    Dictionary,
    dictionary_in,
    label_of_others,
    unknown_variables,
    variable_names,
)
from modalities.clinical.values import is_missing, parse
from modalities.core.contract import Source
from modalities.core.files.spelling import cleaned
from modalities.core.files.tables.delimited import listing, rows_of
from modalities.core.problems import Problem, gathering, unusable

NAME, CODES, LABELS = "redcap", "redcap_raw", "redcap_labels"
_CHECKED, _UNCHECKED = ("1", "checked"), ("0", "unchecked")
_SEPARATOR = "; "


def read(dictionary: Path, exports: Sequence[Path], source: Source, problems: list[Problem]) -> list[File]:
    """Each export as a file of rows by record; one that has a problem is left out."""
    files: list[File] = []
    with gathering(problems):
        variables = dictionary_in(dictionary)
        for path in exports:
            with gathering(problems):
                files.append(_file(path, variables, source, problems))
    return files


def _file(path: Path, variables: Dictionary, source: Source, problems: list[Problem]) -> File:
    written, *body = rows_of(path, sheet=source.sheet, may_repeat=True)
    header = variable_names(written, variables)
    columns = {mapped.CASE_ID: next(iter(variables)), **source.columns}
    if columns[mapped.CASE_ID] not in header:
        what = f"no column {columns[mapped.CASE_ID]!r} of case ids"
        raise unusable(what, "export it too, or name the one of the case ids as columns.case_id", file=path.name)
    if not body:
        raise unusable("a header and no record", "export it again", file=path.name)
    if gone := unknown_variables((name for name in columns.values() if name in header), variables):
        remedy = "download the dictionary of this very project: without it nobody knows what the codes mean"
        raise unusable(f"the data dictionary has no variable {listing(gone)}", remedy, file=path.name)
    if twins := label_of_others(written, columns.values(), variables):
        label, names = twins
        what = f"the label {label!r} is that of {listing(names)}, and not each has a column: nobody knows whose this is"
        remedy = "export all of them, or with the names of variables as headers"
        raise unusable(what, remedy, file=path.name, where=f"column {label!r}")
    used = [variables[name] for name in columns.values() if name in variables and variables[name].choices]
    boxed = [variable for variable in used if variable.kind == CHECKBOX]
    coded = {variable.name: variable.choices for variable in used if variable.kind != CHECKBOX}
    body = [[*row, *(_ticked(path, dict(zip(header, row, strict=True)), box.boxes) for box in boxed)] for row in body]
    header += [box.name for box in boxed]
    are_codes = _are_codes(path, header, body, coded, source)
    problems += _of_no_choice(path, [header, *body], coded, columns, source, are_codes)
    if are_codes:
        body = [
            [coded.get(name, {}).get(cell.strip(), cell) for name, cell in zip(header, row, strict=True)]
            for row in body
        ]
    layout = replace(mapped.layout(columns), name=NAME)
    file = File(path, layout, _filled([header, *body], columns, source), index=source.index)
    file = with_dates(file, replace(source, columns=columns), problems)
    return replace(file, layout=replace(file.layout, days=DAYS))


def _are_codes(
    path: Path,
    header: Sequence[str],
    body: Sequence[Sequence[str]],
    coded: Mapping[str, Mapping[str, str]],
    source: Source,
) -> bool:
    """Whether the cells of choices are codes.

    Raises:
        ValueError: they may be codes or labels, and would mean something else.
    """
    if source.format in (CODES, LABELS):
        return source.format == CODES
    cells = {
        (name, row[at].strip())
        for at, name in enumerate(header)
        if name in coded
        for row in body
        if not is_missing(row[at])
    }
    codes = {(name, cell) for name, cell in cells if cell in coded[name]}
    labels = {(name, cell) for name, cell in cells if cell in coded[name].values()}
    if codes == labels == cells and any(coded[name][cell] != cell for name, cell in cells):
        name, cell = min((name, cell) for name, cell in cells if coded[name][cell] != cell)
        what = f"{cell!r} of {name} may be a code, of {coded[name][cell]!r}, or a label"
        remedy = f"say what was exported in site.yaml: format: {CODES} or format: {LABELS}"
        raise unusable(what, remedy, file=path.name, where=f"column {name!r}")
    return len(codes) >= len(labels)


def _of_no_choice(
    path: Path,
    rows: Sequence[Sequence[str]],
    coded: Mapping[str, Mapping[str, str]],
    columns: Mapping[str, str],
    source: Source,
    are_codes: bool,
) -> list[Problem]:
    """Numbers that are no choice, perhaps of an earlier dictionary, and would be read as the number that they are."""
    found = []
    for field, name in columns.items():
        if field not in BY_NAME or name not in coded or name not in rows[0]:
            continue
        at, choices = rows[0].index(name), coded[name] if are_codes else coded[name].values()
        own = {cleaned(word) for word in source.values.get(field, {})}
        cells = {line: row[at].strip() for line, row in enumerate(rows[1:], start=2)}
        wrong = [line for line, cell in cells.items() if cell.isdecimal() and cell not in (*choices, *own)]
        wrong = [line for line in wrong if _is_read(field, cells[line])]
        if wrong:
            where = f"line {wrong[0]}{f' and {len(wrong) - 1} more' * (len(wrong) > 1)}, column {name!r}"
            what = f"{cells[wrong[0]]!r} is no choice of {name}, which has {listing(sorted(choices))}"
            remedy = "download the current data dictionary, or say in site.yaml what it means, as "
            remedy += f'sources.clinical.values: {{{field}: {{"{cells[wrong[0]]}": ...}}}}'
            found.append(Problem(what, remedy, file=path.name, where=where))
    return found


def _is_read(field: str, cell: str) -> bool:
    """Whether the dictionary of the study knows the cell; one that it does not is refused in any case."""
    try:
        return parse(BY_NAME[field], cell) is not None
    except ValueError:
        return False


def _ticked(path: Path, row: Mapping[str, str], boxes: Mapping[str, str]) -> str:
    """The labels of the boxes that are ticked; the API may write the label in the place of a tick.

    Raises:
        ValueError: a cell is neither ticked nor not.
    """
    cells = {box: row.get(box, "").strip() for box in boxes}
    for box, cell in cells.items():
        if cell.lower() not in (*_CHECKED, *_UNCHECKED, boxes[box].lower()) and not is_missing(cell):
            remedy = "export checkboxes as 1 and 0, or as Checked and Unchecked"
            raise unusable(f"{cell!r} of {box} is no tick", remedy, file=path.name, where=f"column {box!r}")
    return _SEPARATOR.join(
        label for box, label in boxes.items() if cells[box] and cells[box].lower() in (*_CHECKED, label.lower())
    )


def _filled(rows: list[list[str]], columns: Mapping[str, str], source: Source) -> list[list[str]]:
    """The rows, with dates of a record, which stand in one of its events, in all of them."""
    header = rows[0]
    case = header.index(columns[mapped.CASE_ID])
    dates = {columns.get(BIRTH), columns.get(DIAGNOSIS), source.index.date} & set(header)
    for at in (header.index(name) for name in sorted(filter(None, dates))):
        said: dict[str, set[str]] = {}
        for row in rows[1:]:
            said.setdefault(row[case], set()).update({row[at].strip()} - {""})
        for row in rows[1:]:
            if not row[at].strip() and len(said[row[case]]) == 1:
                row[at] = next(iter(said[row[case]]))
    return rows
