"""What travels: record names, arrays that become bytes only when somebody sends them, and how many bytes they are.

A message holds `arrays.<part>`, `config.<part>` and `metrics.<part>` for each part that it concerns. A part is a branch
or its fold copy (`cnv`, `cnv@2`), a modality's share of the fusion head (`fusion.cnv`), the head's common share
(`fusion.shared`), or `study` for what concerns the study as a whole.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from modalities.core.parts import modality_of
from strategies.flower.arrays import LazyArray

ARRAYS, CONFIG, METRICS = "arrays.", "config.", "metrics."
FUSION, SHARED, STUDY = "fusion.", "shared", "study"
BEGUN = "begun"
"""Said to a site of a study whose statistics are gathered: it goes on with the cases that it began with."""
MASKED = "masked."
"""Prefix of a group's records under masks (strategies/masked_exchange/wire.py)."""
SEPARATOR = "::"
_NPY_HEADER = 128
Weights = dict[str, np.ndarray]
Record = TypeVar("Record", ArrayRecord, ConfigRecord, MetricRecord)


def to_record(weights: Mapping[str, np.ndarray]) -> ArrayRecord:
    """Arrays by name as a record, without a copy."""
    record = ArrayRecord()
    for name, array in weights.items():
        record[name] = LazyArray(array)
    return record


def from_record(record: ArrayRecord) -> Weights:
    """Arrays by name; shared with the record where that was made in this process."""
    return {name: array.numpy() for name, array in record.items()}


def flatten(parts: Mapping[str, Mapping[str, np.ndarray]]) -> ArrayRecord:
    """One record for all parts, keyed `<part>::<name>`: what Flower's Strategy calls the global model."""
    return to_record(
        {f"{part}{SEPARATOR}{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
    )


def unflatten(record: ArrayRecord) -> dict[str, Weights]:
    """The inverse of `flatten`."""
    parts: dict[str, Weights] = defaultdict(dict)
    for key, array in record.items():
        part, _, name = key.partition(SEPARATOR)
        parts[part][name] = array.numpy()
    return dict(parts)


def record_of(content: RecordDict, key: str, kind: type[Record]) -> Record:
    """The record of that name and kind; unlike `content.array_records[key]`, which copies all records to look one up.

    Raises:
        TypeError: it is of another kind, or absent.
    """
    record = content.get(key)
    if not isinstance(record, kind):
        raise TypeError(f"{key} must be a {kind.__name__}, got {type(record).__name__}")
    return record


def parts_in(content: RecordDict, prefix: str = ARRAYS) -> list[str]:
    """The parts that a message carries under this prefix, in its order."""
    return [key.removeprefix(prefix) for key in content if key.startswith(prefix)]


def owner_of(part: str) -> str:
    """Whose bytes a part's are: its modality, `shared` or `study`."""
    return modality_of(part.removeprefix(MASKED).removeprefix(FUSION))


def bytes_by_owner(content: RecordDict) -> dict[str, int]:
    """Payload bytes of a message by modality, `shared` and `study`: arrays in NumPy's format, and the other records."""
    counted: dict[str, int] = defaultdict(int)
    for key, record in content.items():
        counted[owner_of(key.partition(".")[2])] += _size(record)
    return dict(counted)


def _size(record: ArrayRecord | ConfigRecord | MetricRecord) -> int:
    if isinstance(record, ArrayRecord):
        return sum(_array_size(array) + len(name) for name, array in record.items())
    return sum(len(name) + _value_size(value) for name, value in record.items())


def _value_size(value: Any) -> int:
    """As Flower counts, but for values that it knows no size of: a site may send an empty list, or no bytes."""
    if isinstance(value, list):
        return sum(_value_size(each) for each in value)
    return len(value) if isinstance(value, str | bytes) else 1 if isinstance(value, bool) else 8


def _array_size(array: Array) -> int:
    return array.numpy().nbytes + _NPY_HEADER if isinstance(array, LazyArray) else len(array.data)


def config_record(values: Mapping[str, Any]) -> ConfigRecord:
    """Plain values as a record."""
    return ConfigRecord(dict(values))


def metric_record(values: Mapping[str, float | int]) -> MetricRecord:
    """Numbers as a record."""
    return MetricRecord(dict(values))


def sums_of(records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Numbers added up name by name."""
    total: dict[str, float] = defaultdict(float)
    for record in records:
        for name, value in record.items():
            total[name] += value
    return dict(total)
