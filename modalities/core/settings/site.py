"""site.yaml: what a site has, what it allows, and whom it takes part with."""

import dataclasses
import os.path
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from omegaconf import OmegaConf
from pydantic import AfterValidator, BeforeValidator, StrictBool

from modalities.core.contract import IndexDate, SlideSettings, Source
from modalities.core.fields import AUTO, Count, Device, NotNegative, Port, Whole, settings
from modalities.core.problems import Problem, check, unusable
from modalities.core.settings.structured import as_far_as_possible, plain_of
from modalities.core.settings.yaml_file import plain_in

SITE_FILE = "site.yaml"
TRAIN, EVALUATE = "train", "evaluate"
"""What `takes_part` says: with `evaluate` the site trains nothing."""
SUMS, FULL, NOTHING = "sums", "full", "none"
"""What `policy.evaluation` says of what may leave."""


@settings
class SourceConfig:
    """One modality's raw files; section `sources.<modality>` of site.yaml."""

    paths: list[str] = field(default_factory=list)
    """Files or folders, relative to site.yaml."""
    format: str = "auto"
    """Name of a format of the modality, or `auto`."""
    columns: dict[str, str] = field(default_factory=dict)
    """For plain CSV files: field name -> this site's column."""
    case_ids: list[str] = field(default_factory=list)
    """For several tables whose case ids stand in columns of different names: all of these, beside columns.case_id."""
    sheet: str = ""
    """Of an Excel workbook, the name of the sheet to read; empty: the first one."""
    assembly: str = ""
    """For copy number: the genome assembly, `hg19` or `hg38`, of files that do not say it."""
    units: str = ""
    """For copy number: `log2`, `ratio`, `copies` or `calls`, of files that do not say it."""
    concepts: dict[str, list[str]] = field(default_factory=dict)
    """For OMOP and FHIR: field name -> the codes that mean it here, beside those that the reader knows."""
    dates: Literal["", "day first", "month first"] = ""
    """How dates such as 03/04/1960 are meant, where a column of them leaves it open."""
    index: IndexDate = field(default_factory=IndexDate)
    """Which of repeated measurements counts."""
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of the clinical record: field name -> this site's word -> the dictionary's word, or `missing`."""


def _none(value: Any) -> Any:
    """YAML 1.1 reads an unquoted `no` or `off` as false."""
    return NOTHING if value is False else value


@settings
class Policy:
    """What the site allows, whatever a server asks."""

    modalities: list[str] = field(default_factory=list)
    """The modalities it will train; empty allows all that it has sources for."""
    min_cohort: Whole = 10
    """A modality with fewer training cases than this takes no part."""
    min_cell: Whole = 10
    """A class count from 1 to below this leaves the site as half of it; a sum over fewer cases stays at the site."""
    min_holders: Count = 1
    """A modality that fewer sites than this hold is not trained here: with two, each can subtract itself."""
    max_rounds: Count = 1000
    """No branch is trained for more rounds than this."""
    max_local_epochs: Count = 20
    """No round may ask for more passes over the cases than this."""
    max_weights: Count = 200_000_000
    """No branch with more weights than this is built here: training takes sixteen bytes of memory for each."""
    require_masking: StrictBool = False
    """Take part in studies with masked sums only, whatever the server says (docs/masking.md)."""
    max_epsilon: NotNegative = 0.0
    """What all studies together may spend of this site's patients' differential privacy; 0 sets no limit."""
    evaluation: Annotated[Literal["sums", "full", "none"], BeforeValidator(_none)] = "sums"
    """What may leave of how good the finished model is on this site's cases: `sums` under masks only; `full`: also its
    own AUROCs, with their variances, in the clear, and sums where a study has no masks; `none`: nothing."""
    max_evaluations: Count = 1
    """How many different finished models a study of the same settings may have this site score."""
    retention_days: Whole = 0
    """Days since its last message after which `leave --erase` takes the audit log and its receipts too; 0: never."""


def _address(text: str) -> str:
    """A coordinator's address, or none; anything else is refused."""
    host, _, port = text.rpartition(":")
    if text and not (host and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"must be `name:port`, got {text!r}")
    return text


@settings
class CoordinatorConfig:
    """Whom the site takes part with; section `coordinator` of site.yaml. Needed to join, not to simulate."""

    address: Annotated[str, AfterValidator(_address)] = ""
    """`name:port` of the coordinator's gateway."""
    authority: str = "ca.crt"
    """The coordinator's certificate authority, relative to site.yaml: the only one that is trusted."""
    release_key: str = "release.pub"
    """The coordinator's release key, relative to site.yaml."""
    federation: str = ""
    """The federation.yaml that this site agreed to, relative to site.yaml: it takes part under these settings only,
    whatever a server sends; empty: it can be simulated, not joined."""
    roster: str = ""
    """The roster.yaml of the study's sites that this site approved, relative to site.yaml; needed for masked sums."""
    local_port: Port = 9094
    """A free port of this machine, for Flower's own processes; on loopback only."""


@settings
class Resources:
    """What the site's machine computes with; section `resources` of site.yaml."""

    device: Device = AUTO
    """Where slides are encoded, and branches trained and used: `cpu`; `cuda`, or `cuda:1` of several GPUs; `auto`:
    encoders and large branches on a GPU."""


@settings
class SiteConfig:
    """The whole of site.yaml."""

    name: str = ""
    """What the study calls the site; it leaves the site, so no more than the hospital's own name."""
    cases: str = "cases.csv"
    """The case list, relative to site.yaml: the columns case_id, split, and the task's label column."""
    labels: dict[str, str] = field(default_factory=dict)
    """A label as the case list writes it -> the study's class, one of its dropped labels, or `missing`."""
    takes_part: Literal["train", "evaluate"] = "train"
    """`train`; or `evaluate`: no case is trained on, whatever `split` says, and all are scored with the finished model,
    as an external validation."""
    coordinator: CoordinatorConfig = field(default_factory=CoordinatorConfig)
    """Whom the site takes part with; needed to join, not to simulate."""
    sources: dict[str, SourceConfig] = field(default_factory=dict)
    """Modality -> where its raw files lie."""
    pseudonyms: str = ""
    """The file that `tessera-client pseudonymise` made, relative to site.yaml: all case ids are replaced by pseudonyms
    as they are read; empty: they are the study's."""
    slides: SlideSettings = field(default_factory=SlideSettings)
    """Of whole slides: their resolution where the files do not say it, and where what is made of them is kept."""
    resources: Resources = field(default_factory=Resources)
    """What the site's machine computes with."""
    policy: Policy = field(default_factory=Policy)
    """What the site allows, whatever a server asks."""

    @property
    def only_evaluates(self) -> bool:
        """Whether it trains nothing."""
        return self.takes_part == EVALUATE

    def offers(self, modalities: Sequence[str]) -> list[str]:
        """Those of the federation's modalities that the site has and will train."""
        allowed = self.policy.modalities or list(self.sources)
        return [name for name in modalities if name in self.sources and name in allowed]


def problem_of_name(site: str) -> str:
    """What is wrong with this as the name of a site that takes part; empty if nothing is."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", site):
        return ""
    return f"{site!r}: a site's name is up to 40 letters, digits, - _ and ., beginning with a letter or a digit"


def read_site_config(path: Path) -> SiteConfig:
    """site.yaml, checked.

    Raises:
        ValueError: it is absent, is no YAML, has unknown settings, or names no site.
    """
    return _read(path, path.read_bytes() if path.is_file() else b"")


@lru_cache(maxsize=64)
def _read(path: Path, content: bytes) -> SiteConfig:
    """Once as long as the file holds the same: every message asks several times, and parsing takes milliseconds."""
    del content
    problems: list[Problem] = []
    config = site_config(path, problems)
    check(problems)
    return config


def site_config(path: Path, problems: list[Problem]) -> SiteConfig:
    """What is right in site.yaml; problems with its settings are added to the list.

    Raises:
        ValueError: it is absent or is no YAML.
    """
    if not path.exists():
        raise unusable("no such file", "a site folder needs a site.yaml", file=str(path))
    raw = plain_in(path)
    values = {str(key): value for key, value in raw.items()} if isinstance(raw, dict) else {}
    wrong: list[Problem] = []
    config: SiteConfig = as_far_as_possible(SiteConfig, values, "site", wrong)
    if not wrong and not config.name:
        wrong.append(Problem("give the site a name", where="site.name"))
    problems += [replace(problem, file=path.name) for problem in wrong]
    return config


def write_site(
    folder: Path,
    name: str,
    cases: pd.DataFrame,
    sources: Mapping[str, Source],
    policy: Policy,
    takes_part: str = TRAIN,
    device: str = AUTO,
) -> None:
    """A site folder over raw files that stand already; `cases` has the columns case_id, label, split."""
    folder.mkdir(parents=True, exist_ok=True)
    cases.to_csv(folder / "cases.csv", index=False)
    sections = {
        modality: {
            "paths": [os.path.relpath(path.resolve(), folder.resolve()) for path in source.paths],
            "format": source.format,
            "columns": dict(source.columns),
            **_where_not_default(source),
        }
        for modality, source in sources.items()
    }
    kept = ("modalities", "min_cohort", "min_cell", "require_masking", "evaluation")
    allowed = {name: value for name, value in plain_of(policy).items() if name in kept}
    slides = {
        key: os.path.relpath(value, folder.resolve()) if isinstance(value, str) else value
        for source in sources.values()
        for key, value in dataclasses.asdict(source.slides).items()
        if value
    }
    content: dict[str, Any] = {"name": name, "cases": "cases.csv", "sources": sections, "slides": slides}
    content |= {"policy": allowed, "takes_part": takes_part if takes_part != TRAIN else ""}
    content |= {"resources": {"device": device} if device != AUTO else {}}
    OmegaConf.save({key: value for key, value in content.items() if value}, folder / "site.yaml")


def _where_not_default(source: Source) -> dict[str, Any]:
    """The settings that most sources leave alone."""
    said: dict[str, Any] = {"concepts": {name: list(codes) for name, codes in source.concepts.items()}}
    said |= {
        **{name: getattr(source, name) for name in ("sheet", "dates", "assembly", "units")},
        "values": {name: dict(words) for name, words in source.values.items()},
        "case_ids": list(source.case_ids),
        "index": plain_of(source.index) if source.index != IndexDate() else {},
    }
    return {name: value for name, value in said.items() if value}
