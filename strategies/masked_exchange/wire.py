"""Masked sums on the wire: which replies are masked, in which groups, and what a group's members must have in common.

A masked request names the members of each group in `config.masking`. Its reply holds, in place of the records of the
group's parts, `arrays.masked.<group>` (`weights`, `sums`) and `config.masked.<group>` (`label`, `inputs`, `layout`,
`boxes`). Then `query.unmask` brings each survivor, in `config.masked.<group>`, the `label`, the `survivors` and their
`boxes` for it, and takes back `arrays.masked.<group>`: its `shares`, bytes of shape (survivor, secret, 32).
`query.peers` brings the keys of all sites before the first of them.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from modalities.core.parts import modality_of
from modalities.core.settings.federation import Federation
from strategies.evaluation.wire import EVALUABLE, EVALUATION
from strategies.flower.arrays import sha256_of_record
from strategies.masking.keys import Advert
from strategies.masking.labels import threshold
from strategies.wire import ARRAYS, CONFIG, FUSION, METRICS, SEPARATOR, STUDY, owner_of, parts_in

MASKING = "masking"
TRAIN, COUNTS, PEERS, UNMASK = "train.branches", "query.counts", "query.peers", "query.unmask"
MASKED_TYPES = (
    COUNTS,
    "query.statistics",
    TRAIN,
    "evaluate.branches",
    "train.fusion",
    "query.calibration",
    "query.conformal",
    EVALUABLE,
    EVALUATION,
)
"""What is answered with sums over cases: all of it is masked, or nothing is."""
AGREED = "agreed"
"""Entry of `config.study`: JSON, name -> digest of what an answer depends on and that not every member was sent."""
BRANCHES = "branches."
"""Prefix of names there, for the branches whose outputs a site keeps."""
LABEL, INPUTS, LAYOUT, BOXES, SURVIVORS, SHARES = "label", "inputs", "layout", "boxes", "survivors", "shares"


def group_of(part: str) -> str:
    """The group whose members send this part: a branch and its fold copies, or a share of the head, or `study`."""
    return part if part.startswith(FUSION) else owner_of(part)


def groups_in(content: RecordDict) -> dict[str, list[str]]:
    """Group -> the parts that a plain reply has of it."""
    groups: dict[str, list[str]] = {}
    for part in dict.fromkeys([*parts_in(content, ARRAYS), *parts_in(content, METRICS)]):
        groups.setdefault(group_of(part), []).append(part)
    return groups


def least_of(federation: Federation, group: str, n_members: int) -> int:
    """How many of so many members it takes to open a sum of this group."""
    config = federation.modalities.get(group)
    return threshold(n_members, max(federation.privacy.least_sites, config.federated.min_holders if config else 0))


def question_of(message_type: str, content: RecordDict, group: str, known: str) -> tuple[str, str]:
    """Digests of what this group was asked, `known` before included, and of what its answers follow from: its inputs.

    Both are equal at all members: those that were sent different weights get different digests, and with them masks
    that do not cancel. Equal inputs have answers that differ too little to be opened twice: of a request to train these
    are the weights, which move by nearly the same step under another round's number.
    """
    begins = f"{message_type} {group} {known}".encode()
    question, inputs = hashlib.sha256(begins), hashlib.sha256(begins)
    for key in sorted(content):
        part = key.partition(".")[2]
        if key == CONFIG + STUDY or (part != MASKING and group_of(part) == group):
            line = f"\n{key} {_digest(content[key])}".encode()
            question.update(line)
            if message_type != TRAIN or key.startswith(ARRAYS):
                inputs.update(line)
    return question.hexdigest(), inputs.hexdigest()


def _digest(record: Any) -> str:
    if isinstance(record, ArrayRecord):
        return sha256_of_record(record)
    values = {name: value for name, value in dict(record).items() if name != "holders"}  # more sites, no other question
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def digest_of_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    hashed = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        hashed.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        hashed.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return hashed.hexdigest()


def digest_of_branches(weights: Mapping[str, Mapping[str, np.ndarray]], modality: str) -> str:
    """SHA-256 over the parts of one modality; `weights` is by part."""
    parts = {part: arrays for part, arrays in weights.items() if modality_of(part) == modality}
    return digest_of_arrays(
        {f"{part}{SEPARATOR}{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
    )


def adverts_record(adverts: Mapping[str, Advert]) -> ConfigRecord:
    """Every site's key for the run, with who vouches for it."""
    listed = [adverts[site] for site in sorted(adverts)]
    return ConfigRecord(
        {
            "sites": [advert.site for advert in listed],
            "keys": [advert.public for advert in listed],
            "node-keys": [advert.node_key for advert in listed],
            "signatures": [advert.signature for advert in listed],
        }
    )


def adverts_from(record: ConfigRecord) -> list[Advert]:
    """The inverse.

    Raises:
        ValueError: the lists differ in length.
        KeyError: one is missing.
    """
    columns: list[Any] = [record[name] for name in ("sites", "keys", "node-keys", "signatures")]
    return [Advert(*row) for row in zip(*columns, strict=True)]
