"""The assembly of a file: what it says of itself, in its name or beside it, else what site.yaml says; never a guess.

Most coordinates fit hg19 and hg38 alike, and an arm's end moves by megabases between them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modalities.cnv.genome import ASSEMBLIES, Assembly, assembly
from modalities.core.problems import unusable

SETTING = "sources.cnv.assembly"
_WORDS = re.compile(
    r"(?<![a-z0-9])(?:(?P<hg19>hg19|grch37|b37|hs37d5|human_g1k_v37)|(?P<hg38>hg38|grch38))(?![0-9])", re.IGNORECASE
)
_NUMBERS = {"37": "hg19", "19": "hg19", "38": "hg38"}
_CONTIG = re.compile(r"^##contig=<(?=.*\bID=([^,>]+))(?=.*\blength=(\d+))", re.IGNORECASE)
_SEQUENCE = re.compile(r"^@SQ\t(?=.*\bSN:([^\t]+))(?=.*\bLN:(\d+))")
_META = re.compile(r"^(data_filename|reference_genome_id)\s*:\s*(.*?)\s*$", re.MULTILINE)
_NAMING = re.compile(r"^##(reference|assembly|genomebuild|genome_build|contig)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Said:
    """What some place says of the assembly."""

    assembly: str
    where: str


def assembly_of(path: Path, said: Iterable[Said], setting: str, fitting: Iterable[str] = ASSEMBLIES) -> Assembly:
    """The assembly of the file, from everything that is said of it; `fitting` are those that its coordinates fit.

    Raises:
        ValueError: nothing is said of it, or two places say different things.
    """
    if setting not in ("", *ASSEMBLIES):
        raise unusable(f"{SETTING}: no assembly {setting!r}", f"known: {', '.join(ASSEMBLIES)}")
    places = [*said, *_in_name(path)]
    places += [Said(setting, f"site.yaml, {SETTING}")] if setting else []
    if not places:
        only = list(fitting)
        hint = f" (its coordinates fit {only[0]} only)" if len(only) == 1 else ""
        remedy = f"say `assembly: hg19` (GRCh37) or `assembly: hg38` (GRCh38) under sources.cnv in site.yaml{hint}"
        raise unusable("the file does not say on which assembly its positions are", remedy, file=path.name)
    if len({place.assembly for place in places}) > 1:
        named = "; ".join(f"{place.where} says {place.assembly}" for place in places)
        raise unusable(f"two assemblies ({named})", "correct the one that is wrong", file=path.name)
    return assembly(places[0].assembly)


def said_by_header(path: Path, lines: Iterable[str]) -> list[Said]:
    """What the lines above a table say: the lengths of its contigs, and the name of its reference.

    Raises:
        ValueError: the lengths are those of neither assembly.
    """
    lines, lengths = list(lines), {}
    for line in lines:
        match = _CONTIG.match(line) or _SEQUENCE.match(line)
        if match:
            lengths[re.sub(r"^chr", "", match.group(1), flags=re.IGNORECASE).upper()] = int(match.group(2))
    return (
        _by_lengths(path, lengths)
        or [Said(name, "the header") for line in lines if _NAMING.match(line) and (name := named_in(line))][:1]
    )


def said_by_column(path: Path, column: str, cells: Iterable[str]) -> list[Said]:
    """What a column of the table says, which must be the same in every row.

    Raises:
        ValueError: it holds no assembly, or several.
    """
    held = {cell.strip() for cell in cells} - {""}
    names = {cell: _NUMBERS.get(cell) or named_in(cell) for cell in held}
    unknown = sorted(cell for cell, name in names.items() if not name)
    if unknown or len(set(names.values())) > 1:
        what = f"column {column!r} holds {', '.join(sorted(map(repr, held))[:5])}"
        raise unusable(what, f"one of {' or '.join(ASSEMBLIES)} for the whole file", file=path.name)
    return [Said(name, f"column {column!r}") for name in set(names.values()) if name]


def said_beside(path: Path) -> list[Said]:
    """What cBioPortal's meta file of this table says."""
    for meta in sorted(path.parent.glob("meta*.txt")):
        try:
            entries = dict(_META.findall(meta.read_text(encoding="utf-8", errors="replace")))
        except OSError:
            continue
        if entries.get("data_filename") == path.name and (name := named_in(entries.get("reference_genome_id", ""))):
            return [Said(name, meta.name)]
    return []


def named_in(text: str) -> str:
    """The assembly that a text names; empty where it names none, or both."""
    found = {match.lastgroup for match in _WORDS.finditer(text)}
    return str(found.pop()) if len(found) == 1 else ""


def fitting(chromosomes: Sequence[str], ends: Sequence[str]) -> Iterator[str]:
    """The assemblies in which every row ends on its chromosome; both, of most files. Worked out once it is asked."""
    last = [(name, int(cell)) for name, cell in zip(chromosomes, ends, strict=True) if cell.strip().isdecimal()]
    held = {name: assembly(name).lengths for name in ASSEMBLIES}
    yield from (name for name, own in held.items() if all(end <= own.get(where, end) for where, end in last))


def _by_lengths(path: Path, lengths: Mapping[str, int]) -> list[Said]:
    held = {name: assembly(name).lengths for name in ASSEMBLIES}
    known = {chromosome: length for chromosome, length in lengths.items() if chromosome in held["hg38"]}
    if not known:
        return []
    for name, own in held.items():
        if all(own[chromosome] == length for chromosome, length in known.items()):
            return [Said(name, "the contigs' lengths in the header")]
    chromosome, length = next(iter(known.items()))
    what = f"the contigs in its header are of neither hg19 nor hg38 (chromosome {chromosome} has {length} bases)"
    raise unusable(what, "call copy number on one of the two, or lift the segments over", file=path.name)


def _in_name(path: Path) -> list[Said]:
    name = named_in(path.name.replace("_", " "))
    return [Said(name, "the file's name")] if name else []
