"""Goes through a site's unknown words: columns first, then the values of those that are mapped, then labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from client.use.words.choices import Choice, Objection
from client.use.words.labels import label_meant, unknown_labels
from client.use.words.written import write_choices
from modalities.core.contract import Source
from modalities.core.hooks import COLUMNS, VALUES, UnknownWord, Words
from modalities.core.problems import Problem, gathering
from modalities.core.registry import kinds, plugin
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import SITE_FILE, SiteConfig
from modalities.core.settings.task import Task
from modalities.core.site.cases import MISSING, label_meanings, open_sources

Choose = Callable[[str, Sequence[UnknownWord], Objection], list[Choice]]
"""Of words under a title, those that are mapped, and to what."""


@dataclass
class Mapped:
    """What was mapped, and what nobody knows still."""

    of_sources: dict[str, list[Choice]] = field(default_factory=dict)
    labels: list[Choice] = field(default_factory=list)
    unknown: int = 0
    """Values and labels that are left."""
    problems: list[Problem] = field(default_factory=list)
    """Why a file could not be looked through."""

    @property
    def n_mapped(self) -> int:
        """Lines of site.yaml."""
        return sum(map(len, self.of_sources.values())) + len(self.labels)


def map_words(folder: Path, federation: Federation | None, choose: Choose, is_trial: bool = False) -> Mapped:
    """Have every unknown word of the site looked at; what is chosen is written into its site.yaml, all at the end.

    A trial writes nothing; it goes on from columns to their values all the same.

    Raises:
        ProblemsError: site.yaml cannot be read, a file that it names is not there, or it cannot be added to.
    """
    config, sources = open_sources(folder)
    mapped = Mapped()
    for name, source in sources.items():
        module = _module(name, federation)
        if module is not None:
            mapped.of_sources[name] = _of_source(name, source, module, choose, mapped)
    with gathering(mapped.problems, file=config.cases):
        mapped.labels = (
            [] if federation is None else _of_labels(folder / config.cases, config, federation.task, choose, mapped)
        )
    if mapped.n_mapped and not is_trial:
        write_choices(folder / SITE_FILE, mapped.of_sources, mapped.labels)
    return mapped


def _module(name: str, federation: Federation | None) -> Words | None:
    """The plug-in of a source, where its files hold words."""
    settings = federation.modalities.get(name) if federation else None
    kind = settings.kind if settings else name
    module = plugin(kind) if kind in kinds() else None
    return module if isinstance(module, Words) else None


def _of_source(name: str, source: Source, module: Words, choose: Choose, mapped: Mapped) -> list[Choice]:
    def objection(word: UnknownWord, means: str) -> str:
        return module.may_mean(word.section, word.field, word.written, means)

    columns = [word for word in module.unknown_words(source, []) if word.section == COLUMNS]
    chosen = _each_once(choose(f"{name}: columns", columns, objection), set(source.columns)) if columns else []
    source = replace(source, columns={**source.columns, **{choice.means: choice.word.written for choice in chosen}})
    values = [word for word in module.unknown_words(source, mapped.problems) if word.section == VALUES]
    meant = choose(f"{name}: values", values, objection) if values else []
    mapped.unknown += len(values) - len(meant)
    return [*chosen, *meant]


def _each_once(choices: Sequence[Choice], taken: set[str]) -> list[Choice]:
    """A field is one column's: that of the first choice."""
    kept: dict[str, Choice] = {}
    for choice in choices:
        if choice.means not in taken:
            kept.setdefault(choice.means, choice)
    return list(kept.values())


def _of_labels(cases: Path, config: SiteConfig, task: Task, choose: Choose, mapped: Mapped) -> list[Choice]:
    permitted = ", ".join([*task.classes, *task.drop, MISSING])

    def objection(word: UnknownWord, means: str) -> str:
        problems: list[Problem] = []
        label_meanings({word.written: means}, task, problems)
        return "; ".join(problem.what for problem in problems)

    counts = unknown_labels(cases, task, config.labels)
    words = [UnknownWord(VALUES, "", label, n, permitted, label_meant(label, task)) for label, n in counts.items()]
    chosen = choose(f"{cases.name}: labels", words, objection) if words else []
    mapped.unknown += len(words) - len(chosen)
    return chosen
