"""federation.yaml: the coordinator's settings, read, checked as a whole, and digested."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path, PurePath
from typing import Any, Protocol

from modalities.core.contract import Modality
from modalities.core.files.tables.delimited import listing
from modalities.core.fusion.settings import AUTO, FUSION_PRESETS, Fusion
from modalities.core.problems import Problem, ProblemsError, check, gathering, problems_of, unusable
from modalities.core.registry import kinds, plugin
from modalities.core.settings.evaluation import Evaluation
from modalities.core.settings.privacy import Privacy
from modalities.core.settings.private import private_problems
from modalities.core.settings.structured import as_far_as_possible, over, plain_of, structured, unknown_key
from modalities.core.settings.task import Task
from modalities.core.settings.training import BranchConfig, Federated
from modalities.core.settings.yaml_file import plain_in

_SECTIONS = ("seed", "task", "fusion", "privacy", "evaluation", "modalities")
_DEFAULT_KIND = "table"
_MOST_MODALITIES = 100
_MOST_BYTES = 32 * 2**20  # of a list of features: a million names
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_TAKEN = ("fused", "fused_complete", "shared", "study")  # names of reports and of the wire


@dataclass(frozen=True)
class Federation:
    """The whole of federation.yaml."""

    seed: int
    task: Task
    fusion: Fusion
    modalities: Mapping[str, BranchConfig]
    privacy: Privacy = field(default_factory=Privacy)
    evaluation: Evaluation = field(default_factory=Evaluation)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, complete: reading them back gives an equal federation."""
        sections = {name: plain_of(config) for name, config in self.modalities.items()}
        plain = {"task": plain_of(self.task), "fusion": plain_of(self.fusion)}
        if not self.task.names:  # else the digest is that of settings from before there were any
            del plain["task"]["names"]
        if self.privacy != Privacy():  # else the digest is that of settings from before this section was
            plain["privacy"] = plain_of(self.privacy)
        if self.evaluation != Evaluation():  # likewise
            plain["evaluation"] = plain_of(self.evaluation)
        return {"seed": self.seed, **plain, "modalities": sections}

    def to_json(self) -> str:
        """`to_dict` as canonical JSON: what the digest is taken of, and what travels."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the settings: equal digests, equal studies."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def n_classes(self) -> int:
        """Length of the class list."""
        return len(self.task.classes)


class RuleProblems(Protocol):
    """What is wrong with the aggregation rules that settings name, and, where they are `complete`, with both.

    The place of each problem is a setting of `federated`, or none.
    """

    def __call__(self, settings: Federated, privacy: Privacy, complete: bool) -> Iterable[Problem]: ...


def any_rule(settings: Federated, privacy: Privacy, complete: bool) -> Iterable[Problem]:
    """Nothing: the rules lie above the settings (strategies/settings.py), and a release is read without them."""
    del settings, privacy, complete
    return ()


def load_federation(path: Path, overrides: Sequence[str] = (), rule_problems: RuleProblems = any_rule) -> Federation:
    """The settings of a federation.yaml, with dotted overrides such as `modalities.cnv.training.lr=1e-3`.

    Raises:
        ValueError: every unknown key (with the nearest known one), wrong type and value out of range, at once.
    """
    raw = plain_in(path, overrides)
    if not isinstance(raw, dict):
        what = "cannot be read: it must hold the sections seed, task, fusion and modalities"
        raise unusable(what, file=path.name)
    try:
        return federation_from(raw, path.parent, rule_problems)
    except ValueError as error:
        raise ProblemsError(*problems_of(error, file=path.name)) from None


def federation_from(
    raw: Mapping[str, Any], folder: Path | None = None, rule_problems: RuleProblems = any_rule
) -> Federation:
    """The settings of plain values; `features_file` is read relative to `folder`, and refused where that is None.

    Raises:
        ValueError: every problem at once.
    """
    problems = [unknown_key(str(key), _SECTIONS, "") for key in raw if key not in _SECTIONS]
    seed = raw.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or abs(seed) >= 2**63:
        problems.append(Problem(f"must be a whole number of 64 bits, got {str(seed)[:40]!r}", where="seed"))
    task = structured(Task, {}, raw.get("task") or {}, "task", problems)
    fusion = _fusion(raw.get("fusion") or {}, problems)
    privacy: Privacy = as_far_as_possible(Privacy, raw.get("privacy") or {}, "privacy", problems)
    evaluation = as_far_as_possible(Evaluation, raw.get("evaluation") or {}, "evaluation", problems)
    sections = raw.get("modalities") or {}
    if not isinstance(sections, Mapping) or not sections:
        problems.append(Problem("name at least one, such as `cnv: {}`", where="modalities"))
        sections = {}
    if len(sections) > _MOST_MODALITIES:
        problems.append(Problem(f"at most {_MOST_MODALITIES}, got {len(sections)}", where="modalities"))
        sections = {}
    problems += _alike(sections)
    of_rules = partial(rule_problems, privacy=privacy)
    configs = {
        str(name): _branch(str(name), section or {}, folder, problems, of_rules) for name, section in sections.items()
    }
    problems += _leaks(task, configs)
    problems += private_problems(privacy, fusion, configs)
    check(problems)
    configs = {name: _masked(config, privacy) for name, config in configs.items()}
    # No problems: no section is None.
    return Federation(seed, task, fusion, configs, privacy, evaluation)  # pyright: ignore[reportArgumentType]


def _alike(sections: Mapping[str, Any]) -> list[Problem]:
    """Names that are one on a disk that does not tell capitals: a release has a file for each."""
    first: dict[str, str] = {}
    twins = [(str(name), first.setdefault(str(name).lower(), str(name))) for name in sections]
    return [
        Problem(f"differs from {other} in capitals only", "name it otherwise", where=f"modalities.{name}")
        for name, other in twins
        if name != other
    ]


def _masked(config: BranchConfig, privacy: Privacy) -> BranchConfig:
    """Under masks, no round counts with fewer sites than the smallest sum that is opened."""
    if not privacy.is_masked or config.federated.min_holders >= privacy.least_sites:
        return config
    return replace(config, federated=replace(config.federated, min_holders=privacy.least_sites))


def _leaks(task: Task | None, configs: Mapping[str, Any]) -> list[Problem]:
    """Inputs that the settings alone show to state the label."""
    found = {name: task.leaks_among(config.known_features) for name, config in configs.items() if task and config}
    what = "would be inputs, but task.leaks says that they state the label"
    remedy = "leave them out (`exclude` in a clinical section, `features` in others)"
    return [
        Problem(f"{listing(leaks)} {what}", remedy, where=f"modalities.{name}")
        for name, leaks in found.items()
        if leaks
    ]


def _fusion(section: Any, problems: list[Problem]) -> Any:
    """The fusion section over its preset, with heads that exist and can be fitted that way."""
    preset = str(section.get("preset") or "") if isinstance(section, Mapping) else ""
    if preset not in FUSION_PRESETS:
        problems.append(Problem(f"no preset {preset!r}", "there are: paper, private", where="fusion.preset"))
        return None
    fusion: Any = structured(Fusion, FUSION_PRESETS[preset], section, "fusion", problems)
    if fusion is not None:
        _check_head(fusion, problems)
    return fusion


def _check_head(fusion: Fusion, problems: list[Problem]) -> None:
    from modalities.core.fusion.head import head_named  # heads import this module

    auto = fusion.head == AUTO
    for name in fusion.candidates if auto else [fusion.head]:
        optimiser = ""
        with gathering(problems, where=f"fusion.{'candidates' if auto else 'head'}"):
            optimiser = head_named(name).OPTIMISER
        if auto and optimiser == "adam":
            remedy = "`auto` tries only heads that L-BFGS fits"
            problems.append(Problem(f"{name} is a network", remedy, where="fusion.candidates"))
        if optimiser == "adam" and fusion.fit == "none":
            remedy = "set crossfit or tune, or another head"
            problems.append(Problem(f"{name} says nothing until fitted", remedy, where="fusion.fit"))
    if auto and (len(fusion.candidates) < 2 or fusion.fit == "none"):
        what = "`auto` needs two candidates or more, and fit: crossfit or tune"
        problems.append(Problem(what, where="fusion.head"))


def _branch(
    name: str, section: Any, folder: Path | None, problems: list[Problem], of_rules: "partial[Iterable[Problem]]"
) -> Any:
    """One modality's section as its plug-in's Config; None if it has a problem."""
    where = f"modalities.{name}"
    with gathering(problems, where=where):
        if not _NAME.fullmatch(name) or name in _TAKEN:
            what = "a modality's name must be up to 40 letters from a to z, digits and _, and none of"
            raise ValueError(f"{what} {', '.join(_TAKEN)}")
        if not isinstance(section, Mapping):
            raise ValueError(f"must be a section with settings, got {section!r}")
        kind = str(section.get("kind") or (name if name in kinds() else _DEFAULT_KIND))
        module, preset = _plugin(kind, where), str(section.get("preset") or "")
        if preset and preset not in module.PRESETS:
            remedy = f"{kind} has: {', '.join(module.PRESETS) or 'none'}"
            raise unusable(f"no preset {preset!r}", remedy, where=f"{where}.preset")
        values = {**section, "kind": kind}
        if section.get("features_file"):
            values |= {"features": [], "features_file": ""}
            with gathering(problems, where=f"{where}.features_file"):
                values["features"] = _names_in(folder, str(section["features_file"]))
        before = len(problems)
        below = over(module.Config.defaults(values), module.PRESETS.get(preset, {}))
        config = as_far_as_possible(module.Config, values, where, problems, below)
        problems += [
            replace(problem, where=".".join(filter(None, (where, "federated", problem.where))))
            for problem in of_rules(config.federated, complete=len(problems) == before)
        ]
        return config if len(problems) == before else None
    return None


def _plugin(kind: str, where: str) -> Modality:
    try:
        return plugin(kind)
    except ValueError as error:
        raise unusable(str(error), where=f"{where}.kind") from None


def _names_in(folder: Path | None, name: str) -> list[str]:
    """The names in a file beside federation.yaml, which may come from elsewhere: nothing else of this disk is read."""
    if folder is None:
        raise ValueError("only the coordinator's federation.yaml may name a file")
    path = folder / name
    if PurePath(name).name != name or path.is_symlink() or not path.is_file():
        raise unusable(f"{name}: no such file beside federation.yaml", "put it there, and give its name only")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise unusable(f"{name} has {size:,} bytes", f"a list of features has at most {_MOST_BYTES:,}")
    try:
        features = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} cannot be read as JSON: {error}") from error
    if not isinstance(features, list) or not all(isinstance(item, str) for item in features):
        raise ValueError(f"{name} must hold a JSON list of names")
    return features
