"""What a site's own words mean: `sources.clinical.values` of site.yaml, field by field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from modalities.clinical.dictionary import BY_NAME, Field
from modalities.clinical.values import parse
from modalities.core.files.spelling import cleaned
from modalities.core.problems import Problem, gathering

MISSING = "missing"
"""What a word is mapped to that says no more than an empty cell."""
PLACE = "sources.clinical.values"


@dataclass(frozen=True)
class Meanings:
    """The site's words, checked."""

    of_field: Mapping[str, Mapping[str, float | str | None]] = field(default_factory=dict)
    """Field -> word, cleaned -> the dictionary's value; None: missing."""

    def value(self, name: str, text: str, convert: Callable[[str], str]) -> float | str | None:
        """A cell of this field in the dictionary's terms: as the site maps it, or else as every site's are read.

        Raises:
            ValueError: the site does not map it and the dictionary does not know it.
        """
        own, word = self.of_field.get(name), cleaned(text) if name in self.of_field else ""
        return own[word] if own and word in own else parse(BY_NAME[name], convert(text))


def meanings_of(values: Mapping[str, Mapping[str, str]], problems: list[Problem]) -> Meanings:
    """The mapping of site.yaml; what is wrong with it is added to the problems."""
    of_field: dict[str, dict[str, float | str | None]] = {}
    for name, words in values.items():
        if name not in BY_NAME:
            what = f"the dictionary has no field {name!r}"
            problems.append(Problem(what, f"it has {', '.join(BY_NAME)}", where=PLACE))
            continue
        own = of_field.setdefault(name, {})
        for word, means in words.items():
            with gathering(problems, where=f"{PLACE}.{name}"):
                value = _value(BY_NAME[name], word, means)
                if own.setdefault(cleaned(word), value) != value:
                    raise ValueError(f"{word!r} is mapped twice, to different values; keep one of the lines")
    return Meanings(of_field)


def permitted(field: Field) -> str:
    """What a word may be mapped to, for messages."""
    return f"{field.permitted} or {MISSING}"


def _value(field: Field, word: str, means: str) -> float | str | None:
    """The dictionary's value of what a word is mapped to: one of the field's own words, or a number that it reads."""
    text = cleaned(means)
    if text == MISSING:
        return None
    if text in field.states:
        return text
    try:
        value = None if field.states else parse(field, means)
    except ValueError:
        value = None
    if value is None:
        raise ValueError(f"{word!r} is mapped to {means!r}, which is no word for it; write {permitted(field)}")
    return value
