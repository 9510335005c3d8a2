"""Whatever happens to a file, its reader reads every row, counts it as left out, or says in words what is wrong.

50 examples a format, the same ones every time; `make fuzz` tries 2,000 new ones (TESSERA_FUZZ_EXAMPLES).
"""

import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modalities.core.problems import ProblemsError
from modalities.core.registry import plugins
from tests.fuzz.damage import damaged
from tests.fuzz.entries import ENTRIES
from tests.fuzz.formats import FORMATS as TABLES

FORMATS = {**TABLES, **ENTRIES}
EXAMPLES = int(os.environ.get("TESSERA_FUZZ_EXAMPLES", "0"))
_LEAKED = re.compile(r"Traceback|\b[A-Z]\w+(?:Error|Exception)\b|object at 0x")
_KEPT: dict[str, tuple] = {}


@pytest.fixture
def valid(request, tmp_path_factory):
    """The format, its valid file and that file's bytes; written once."""
    name = request.param
    if name not in _KEPT:
        path = FORMATS[name].write(tmp_path_factory.mktemp("fuzz"))
        _KEPT[name] = FORMATS[name], path, path.read_bytes()
    return _KEPT[name]


@pytest.mark.parametrize("valid", FORMATS, indirect=True)
def test_valid_file_is_read_whole(valid):
    tested, path, raw = valid
    path.write_bytes(raw)
    assert not any(tested.unaccounted(path, tested.read(path)).values())


@pytest.mark.parametrize("valid", FORMATS, indirect=True)
@given(data=st.data())
@settings(
    max_examples=EXAMPLES or 50,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_damaged_file_is_read_whole_or_refused_in_words(valid, data):
    tested, path, raw = valid
    path.write_bytes(damaged(data.draw, raw, tested.delimiter, path.suffix == ".gz", tested.encoding))
    found, refused = None, None
    try:
        found = tested.read(path)
    except ValueError as error:
        refused = error
    if refused is None:
        assert not {what: count for what, count in tested.unaccounted(path, found).items() if count}
    else:
        assert type(refused) in (ValueError, ProblemsError)
        assert any(name in str(refused) for name in (path.name, *tested.beside))
        assert not _LEAKED.search(str(refused))


def test_every_plugin_is_fuzzed():
    assert {kind for kind in plugins() if not any(name.split()[0] == kind for name in FORMATS)} == set()
