"""Every setting of federation.yaml and site.yaml as Markdown tables, from the dataclasses that read them."""

import ast
import dataclasses
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from modalities.core.contract import IndexDate, SlideSettings
from modalities.core.fields import MOST_COUNT
from modalities.core.fusion.settings import Fusion
from modalities.core.registry import plugin, plugins
from modalities.core.settings.evaluation import Evaluation
from modalities.core.settings.privacy import Privacy
from modalities.core.settings.site import CoordinatorConfig, Policy, Resources, SiteConfig, SourceConfig
from modalities.core.settings.task import Task
from modalities.core.settings.training import BranchConfig, Federated, Training

BEGIN = "<!-- from here on written by `tessera-server settings --into docs/federation.md` -->"
_BOUNDS = {
    "gt": "> {:,}",
    "ge": "≥ {:,}",
    "lt": "< {:,}",
    "le": "≤ {:,}",
    "min_length": "≥ {:,} long",
    "max_length": "≤ {:,} long",
}
_OWN_TABLE = ("training", "federated")
_SECTIONS = (
    ("`task`", Task),
    ("`fusion`", Fusion),
    ("`privacy`", Privacy),
    ("`evaluation`", Evaluation),
    ("`modalities.<name>`: every kind", BranchConfig),
    ("`modalities.<name>.training`", Training),
    ("`modalities.<name>.federated`", Federated),
)
_SITE_SECTIONS = (
    ("The file", SiteConfig),
    ("`sources.<modality>`", SourceConfig),
    ("`sources.<modality>.index`", IndexDate),
    ("`policy`", Policy),
    ("`coordinator`", CoordinatorConfig),
    ("`slides`", SlideSettings),
    ("`resources`", Resources),
)


def settings_text() -> str:
    """The tables of both files, a heading above each."""
    parts = ["## Settings of federation.yaml", f"Every count is at most {MOST_COUNT:,}."]
    parts.append("`seed` (0), a whole number of 64 bits: of everything random in the study.")
    parts += [part for title, cls in _SECTIONS for part in (f"### {title}", _table(cls()))]
    for kind in sorted(plugins()):
        parts += _kind(kind)
    parts.append("## Settings of site.yaml")
    parts += [part for title, cls in _SITE_SECTIONS for part in (f"### {title}", _table(cls()))]
    return "\n\n".join(parts) + "\n"


def written_into(page: str) -> str:
    """The page with everything below the mark replaced by today's tables.

    Raises:
        ValueError: the page has no such mark.
    """
    head, mark, _ = page.partition(BEGIN)
    if not mark:
        raise ValueError(f"the page has no line {BEGIN}, below which the settings go")
    return f"{head}{BEGIN}\n\n{settings_text()}"


def _kind(kind: str) -> Iterator[str]:
    """What a plug-in adds to the settings of every kind, its own training defaults, and its presets."""
    module = plugin(kind)
    config, usual = module.Config(), BranchConfig()
    yield f"### `kind: {kind}`"
    own = {entry.name for entry in dataclasses.fields(config)} - {entry.name for entry in dataclasses.fields(usual)}
    yield _table(config, own)
    for section in sorted(name for name in own if dataclasses.is_dataclass(getattr(config, name))):
        yield f"#### `kind: {kind}`, `{section}`"
        yield _table(getattr(config, section))
    for section in _OWN_TABLE:
        changed = _changed(getattr(config, section), getattr(usual, section))
        if changed:
            yield f"Its defaults of `{section}`: {changed}."
    for name, values in module.PRESETS.items():
        yield f"`preset: {name}`: `{json.dumps(values)}`"


def _changed(config: Any, usual: Any) -> str:
    """The settings that differ from the usual ones."""
    names = [entry.name for entry in dataclasses.fields(config)]
    differing = [name for name in names if getattr(config, name) != getattr(usual, name)]
    return ", ".join(f"`{name}: {_shown(getattr(config, name))}`" for name in differing)


def _table(config: Any, only: set[str] | None = None) -> str:
    """A row a setting: name, default, what it may be, and what its docstring says."""
    meanings = meanings_of(type(config))
    rows = [
        f"| `{name}` | {_default(getattr(config, name))} | {_range(checked)} | {meanings.get(name, '')} |"
        for name, checked in config.__pydantic_fields__.items()
        if only is None or name in only
    ]
    return "\n".join(["| setting | default | range | meaning |", "|---|---|---|---|", *rows])


def _range(checked: Any) -> str:
    """What a setting may be, where its type alone does not say it; what holds for every count is said above."""
    if get_origin(checked.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(checked.annotation))
    bounds = [(text, getattr(rule, name, None)) for rule in checked.metadata for name, text in _BOUNDS.items()]
    return ", ".join(text.format(bound) for text, bound in bounds if bound not in (None, MOST_COUNT))


def meanings_of(cls: type) -> dict[str, str]:
    """The docstring below each field, those of the classes it derives from included."""
    found: dict[str, str] = {}
    for owner in reversed([base for base in cls.__mro__ if dataclasses.is_dataclass(base)]):
        body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for entry, said in itertools.pairwise(statements):
            if isinstance(entry, ast.AnnAssign) and isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant):
                text = " ".join(str(said.value.value).split())
                found[ast.unparse(entry.target)] = text.replace("|", "\\|")
    return found


def _default(value: Any) -> str:
    """The default as it would be written; a section of its own has a table of its own."""
    return "a section" if dataclasses.is_dataclass(value) else f"`{_shown(value)}`"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
