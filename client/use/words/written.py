"""Writes what words mean into site.yaml: `columns`, `values` and `labels`, and nothing else of the file."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from client.use.words.choices import Choice
from modalities.core.files.atomic import replacing
from modalities.core.hooks import COLUMNS, VALUES
from modalities.core.settings.site import read_site_config
from modalities.core.settings.yaml_insert import with_entries

_MARK = "\ufeff"


def write_choices(path: Path, of_sources: Mapping[str, Sequence[Choice]], labels: Sequence[Choice]) -> None:
    """Put the choices of each source, and those of the case list's labels, into the file.

    Raises:
        ProblemsError: the file has no place for them that leaves the rest as it is; then nothing is written.
    """
    text = path.read_bytes().decode("utf-8")
    mark, text = text[: text.startswith(_MARK)], text.removeprefix(_MARK)
    for section, entries in _entries(of_sources, labels):
        text = with_entries(text, section, entries)
    whole = path.resolve()
    with replacing(whole) as beside:
        beside.write_bytes((mark + text).encode())
        shutil.copymode(whole, beside)
        read_site_config(beside)


def _entries(
    of_sources: Mapping[str, Sequence[Choice]], labels: Sequence[Choice]
) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """Each section of the file with its new lines."""
    sections: dict[tuple[str, ...], dict[str, str]] = {}
    for name, choices in of_sources.items():
        for choice in choices:
            word = choice.word
            if word.section == COLUMNS:
                sections.setdefault(("sources", name, COLUMNS), {})[choice.means] = word.written
            else:
                sections.setdefault(("sources", name, VALUES, word.field), {})[word.written] = choice.means
    if labels:
        sections[("labels",)] = {choice.word.written: choice.means for choice in labels}
    return list(sections.items())
