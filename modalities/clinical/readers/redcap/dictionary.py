"""REDCap's data dictionary: the project's variables, their labels and the labels of their choices."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modalities.core.files.tables.delimited import listing, rows_of
from modalities.core.problems import unusable

_CODES, _LABELS = "1, Yes | 0, No", "1, True | 0, False"
_SPELLINGS = (  # as the web page and as the API write it: name, type, label, choices
    ("Variable / Field Name", "Field Type", "Field Label", "Choices, Calculations, OR Slider Labels"),
    ("field_name", "field_type", "field_label", "select_choices_or_calculations"),
)
_WITH_CHOICES = frozenset({"radio", "dropdown", "checkbox"})
CHECKBOX = "checkbox"
_SHOWN = "descriptive"
"""A text on the form: a variable of the dictionary and no column of an export."""
_BOX = re.compile(r"\w+___\w+|.+ \(choice=.+\)", re.DOTALL)
_OWN = {  # what REDCap adds to an export, and how it calls that in an export of labels
    "Event Name": "redcap_event_name",
    "Repeat Instrument": "redcap_repeat_instrument",
    "Repeat Instance": "redcap_repeat_instance",
    "Data Access Group": "redcap_data_access_group",
    "Survey Identifier": "redcap_survey_identifier",
}


@dataclass(frozen=True)
class Variable:
    """One variable of the project."""

    name: str
    kind: str
    label: str
    choices: Mapping[str, str] = field(default_factory=dict)
    """Code -> label."""

    @property
    def boxes(self) -> Mapping[str, str]:
        """Of a checkbox: column of an export -> label of its choice."""
        return {f"{self.name}___{code.lower().replace('-', '_')}": label for code, label in self.choices.items()}


Dictionary = Mapping[str, Variable]
"""Name -> variable, in the project's order: the first one numbers the records."""


def is_dictionary(header: Sequence[str]) -> bool:
    """Whether a table is a data dictionary; the name of its choices holds commas, at which a header may be cut."""
    return any(set(spelling[:3]) <= set(header) for spelling in _SPELLINGS)


def is_export(header: Sequence[str]) -> bool:
    """Whether a table bears what REDCap alone writes: its own columns, boxes to tick, whether a form is complete."""
    own = bool(set(_OWN.values()) & set(header)) or {"Event Name", "Repeat Instance"} <= set(header)
    boxes = any(_BOX.fullmatch(name) for name in header)
    forms = "Complete?" in header or ("record_id" in header and any(name.endswith("_complete") for name in header))
    return own or boxes or forms


def dictionary_in(path: Path) -> Dictionary:
    """The variables of a data dictionary.

    Raises:
        ValueError: it holds none, or a choice has no label.
    """
    header, *body = rows_of(path)
    spelling = next((spelling for spelling in _SPELLINGS if set(spelling) <= set(header)), None)
    if spelling is None:
        absent = sorted(min((set(spelling) - set(header) for spelling in _SPELLINGS), key=len))
        raise unusable(f"no column {listing(absent)}", "download the data dictionary again", file=path.name)
    places = [header.index(name) for name in spelling]
    variables: dict[str, Variable] = {}
    for line, row in enumerate(body, start=2):
        name, kind, label, choices = (row[at].strip() for at in places)
        held = _choices(path, line, kind, choices)
        variables[name] = Variable(name, kind, _plain(label), held)
    if not variables:
        raise unusable("a data dictionary without variables", "download it again", file=path.name)
    return variables


def unknown_variables(names: Iterable[str], variables: Dictionary) -> list[str]:
    """Those that are neither variables of the project, nor boxes of one, nor what REDCap adds itself."""
    boxes = {box for variable in variables.values() for box in variable.boxes}
    return [name for name in names if name not in {*variables, *boxes, *_OWN.values()}]


def variable_names(header: Sequence[str], variables: Dictionary) -> list[str]:
    """An export's columns by the names of variables, whether it is headed by names or by labels.

    Columns of one label stand for the variables of that label in the dictionary's order.
    """
    by_label = _by_label(variables)
    if not _is_of_labels(header, variables, by_label):
        return list(header)
    seen: dict[str, int] = {}
    names = []
    for name in header:
        label, at = _plain(name), seen.get(_plain(name), 0)
        names.append(by_label[label][at] if at < len(by_label.get(label, ())) else name if not at else f"{name} {at}")
        seen[label] = at + 1
    return names


def label_of_others(header: Sequence[str], used: Iterable[str], variables: Dictionary) -> tuple[str, list[str]] | None:
    """A label that a used variable shares, where an export of labels has not a column of each; and whose it may be."""
    by_label = _by_label(variables)
    if not _is_of_labels(header, variables, by_label):
        return None
    counts, wanted = Counter(map(_plain, header)), set(used)
    return next(
        ((label, names) for label, names in by_label.items()
         if 0 < counts[label] < len(names) and any(name.partition("___")[0] in wanted for name in names)), None,
    )  # fmt: skip


def _by_label(variables: Dictionary) -> dict[str, list[str]]:
    """Label of a column -> the columns that it may head, in the dictionary's order."""
    found: dict[str, list[str]] = {label: [name] for label, name in _OWN.items()}
    for variable in variables.values():
        named = {f"{variable.label} (choice={label})": box for box, label in variable.boxes.items()}
        is_box = variable.kind == CHECKBOX
        for label, name in (named if is_box else {variable.label: variable.name}).items():
            found.setdefault(label, []).extend([name] * (variable.kind != _SHOWN))
    return found


def _is_of_labels(header: Sequence[str], variables: Dictionary, by_label: Mapping[str, Sequence[str]]) -> bool:
    columns = {name for variable in variables.values() for name in (variable.boxes or (variable.name,))}
    return sum(name in columns for name in header) < sum(_plain(name) in by_label for name in header)


def _choices(path: Path, line: int, kind: str, text: str) -> dict[str, str]:
    if kind in ("yesno", "truefalse"):
        text = _CODES if kind == "yesno" else _LABELS
    elif kind not in _WITH_CHOICES:
        return {}
    held: dict[str, str] = {}
    for choice in filter(None, (part.strip() for part in text.split("|"))):
        code, _, label = choice.partition(",")
        if not _plain(label):
            what = f"the choice {choice!r} has no label"
            raise unusable(what, "write choices as `1, Positive | 2, Negative`", file=path.name, where=f"line {line}")
        held[code.strip()] = _plain(label)
    return held


def _plain(label: str) -> str:
    """A label without the HTML that REDCap leaves out of exports."""
    return " ".join(re.sub(r"<[^>]*>", "", label).split())
