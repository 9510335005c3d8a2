"""Which proposals are taken: all that are sure enough, and what a person answers to the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modalities.core.hooks import UnknownWord

Ask = Callable[[str], str]
Objection = Callable[[UnknownWord, str], str]
"""What is wrong with mapping a word so; empty if nothing is."""
_TAKE = "="


@dataclass(frozen=True)
class Choice:
    """A word, and what it is mapped to."""

    word: UnknownWord
    means: str


def sure_ones(words: Sequence[UnknownWord], least: float) -> list[Choice]:
    """The words whose proposal is at least this sure."""
    return [Choice(word, word.proposal.means) for word in words if word.proposal and word.proposal.sureness >= least]


def answered(words: Sequence[UnknownWord], ask: Ask, objection: Objection) -> list[Choice]:
    """What a person says of each word; an empty answer leaves it out, and an impossible one is asked again."""
    choices = []
    for word in words:
        said = ask(_question(word)).strip()
        while said:
            means = word.proposal.means if said == _TAKE and word.proposal else said
            if not (wrong := objection(word, means)):
                choices.append(Choice(word, means))
                break
            said = ask(f"  {wrong}\n  once more [Enter leaves it out]: ").strip()
    return choices


def _question(word: UnknownWord) -> str:
    place = f"{word.field}: " if word.field else ""
    taken = f"; {_TAKE} takes {word.proposal.means}" if word.proposal else ""
    return f"{place}{word.written!r} ({word.count})\n  {word.permitted} [Enter leaves it out{taken}]: "
