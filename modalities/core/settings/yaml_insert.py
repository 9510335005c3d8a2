"""Adds entries to a YAML file that a person wrote: comments, order and every other character stay as they are."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from modalities.core.problems import unusable

_INDENT = 2
_LINE = 100
_PLAIN = re.compile(r"[^\W\d_][\w+./%() -]*[\w+%)]|[^\W\d_]|\d+", re.UNICODE)
_NO_TEXT = re.compile(r"(?i)yes|no|true|false|on|off|null|nan|inf")
_WHOLE = re.compile(r"0|[1-9]\d{0,8}")
_NOTHING = re.compile(r"\s*:[ \t]*(#.*)?")


def with_entries(text: str, path: Sequence[str], entries: Mapping[str, Any]) -> str:
    """The file's text with these entries (of text, or of further entries) in the section at this path.

    A section that is not there is begun at the end of the one around it.

    Raises:
        ProblemsError: an entry is there already, the path leads through something else than sections, or the file
            holds other things than before besides the entries.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    plain = text.replace("\r\n", "\n")
    root = yaml.compose(plain, Loader=yaml.SafeLoader)
    if root is None:
        changed = plain + ("\n" if plain and not plain.endswith("\n") else "") + _lines(_nested(path, entries), 0)
    else:
        section, rest = _section(root, list(path))
        changed = _inserted(plain, section, _nested(rest, entries))
    _check(plain, changed, path, entries)
    return changed.replace("\n", newline)


def _section(node: yaml.Node, path: list[str]) -> tuple[Any, list[str]]:
    """The innermost section that is there, or its name if nothing stands behind it, and the rest of the path."""
    if not isinstance(node, yaml.MappingNode):
        raise _not_a_section(path)
    if not path:
        return node, []
    for key, value in node.value:
        if key.value == path[0]:
            if isinstance(value, yaml.ScalarNode) and value.tag.endswith(":null"):
                return (key, value), path[1:]
            return _section(value, path[1:])
    return node, path


def _not_a_section(path: Sequence[str]) -> Exception:
    remedy = "write it as `name: value` lines, below one another or in { }"
    return unusable("there is something else than a section here", remedy, where=".".join(path))


def _inserted(text: str, section: Any, entries: Mapping[str, Any]) -> str:
    if isinstance(section, tuple):  # a name with nothing behind it
        (key, _), at = section, _end_of_line(text, section[0].end_mark.index)
        if not _NOTHING.fullmatch(text[key.end_mark.index : at]):
            raise _not_a_section([key.value])
        return text[:at] + "\n" + _lines(entries, key.start_mark.column + _INDENT).rstrip("\n") + text[at:]
    if section.flow_style:
        at = section.end_mark.index - 1
        before = text[:at].rstrip()
        return before + _between_braces(before, section, entries) + text[len(before) :]
    at = _end_of_line(text, _end(text, section))
    return text[:at] + "\n" + _lines(entries, section.value[0][0].start_mark.column).rstrip("\n") + text[at:]


def _between_braces(before: str, section: yaml.Node, entries: Mapping[str, Any]) -> str:
    """The entries behind what stands there: in its line, or, where that gets long, each in a line of its own."""
    comma = "" if before.endswith(("{", ",")) else ","
    in_line = before.rpartition("\n")[2]
    if len(in_line) + len(_flow(entries)) <= _LINE:
        return comma + " " * (not before.endswith("{")) + _flow(entries)
    begins = before[: section.start_mark.index].rpartition("\n")[2]
    indent = "\n" + " " * (len(begins) - len(begins.lstrip()) + 2 * _INDENT)
    return comma + ",".join(f"{indent}{_flow({key: value})}" for key, value in entries.items())


def _end(text: str, node: yaml.Node) -> int:
    """Where the last word of a node ends: the end of a section in lines is after the comments below it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        if isinstance(last, tuple):
            key, value = last
            is_empty = isinstance(value, yaml.ScalarNode) and value.start_mark.index == value.end_mark.index
            return key.end_mark.index + 1 if is_empty else _end(text, value)
        return _end(text, last)
    return len(text[: node.end_mark.index].rstrip())


def _end_of_line(text: str, index: int) -> int:
    at = text.find("\n", index)
    return len(text) if at < 0 else at


def _nested(path: Sequence[str], entries: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in reversed(path):
        entries = {name: entries}
    return entries


def _lines(entries: Mapping[str, Any], indent: int) -> str:
    text = ""
    for key, value in entries.items():
        if isinstance(value, Mapping):
            text += f"{' ' * indent}{_scalar(key)}:\n{_lines(value, indent + _INDENT)}"
        else:
            text += f"{' ' * indent}{_scalar(key)}: {_value(value)}\n"
    return text


def _flow(entries: Mapping[str, Any]) -> str:
    parts = [
        f"{_quoted(key)}: " + (f"{{{_flow(value)}}}" if isinstance(value, Mapping) else _value(value, _quoted))
        for key, value in entries.items()
    ]
    return ", ".join(parts)


def _value(text: str, otherwise: Callable[[str], str] | None = None) -> str:
    """A whole number as a person would write it; settings of text take numbers too."""
    return text if _WHOLE.fullmatch(text) else (otherwise or _scalar)(text)


def _quoted(text: str) -> str:
    """In braces: plain only where it is one word."""
    return text if re.fullmatch(r"[^\W\d_]\w*", text) and not _NO_TEXT.fullmatch(text) else _scalar(text, quoted=True)


def _scalar(text: str, quoted: bool = False) -> str:
    """As it is where YAML takes it for the text that it is, in double quotes elsewhere."""
    is_plain = _PLAIN.fullmatch(text) and not _NO_TEXT.fullmatch(text)
    return text if is_plain and not quoted and not text[0].isdigit() else json.dumps(text, ensure_ascii=False)


def _check(before: str, after: str, path: Sequence[str], entries: Mapping[str, Any]) -> None:
    """Refuse a text that says anything else than the old one and the entries."""
    wanted = _apart(yaml.safe_load(before) or {})
    section = wanted
    for name in path:
        if section.get(name) is None:
            section[name] = {}
        section = section[name]
    repeated = _add(section, entries)
    if repeated:
        raise unusable(f"{repeated} is there already", "correct that line", where=".".join(path))
    try:
        says = yaml.safe_load(after)
    except yaml.YAMLError:
        says = None
    if says != wanted:
        what, remedy = "these lines could not be put into the file", "write them in by hand"
        raise unusable(f"{what}:\n{_lines(_nested(path, entries), 0)}", remedy, where=".".join(path))


def _apart(value: Any) -> Any:
    """The value with every section one of its own, where an alias makes two of them the same."""
    if isinstance(value, dict):
        return {key: _apart(held) for key, held in value.items()}
    return [_apart(held) for held in value] if isinstance(value, list) else value


def _add(section: dict[Any, Any], entries: Mapping[str, Any]) -> str:
    """Put the entries into a section; what is there already, or empty."""
    for key, value in entries.items():
        if isinstance(value, Mapping):
            section[key] = section[key] if section.get(key) is not None else {}
            if not isinstance(section[key], dict):
                return repr(key)
            if repeated := _add(section[key], value):
                return repeated
        elif key in section:
            return repr(key)
        else:
            section[key] = int(value) if _WHOLE.fullmatch(value) else value
    return ""
