"""What a head of an audit log may be, at its very limits."""

import pytest

from strategies.audit.statements import Head

ROOT = "ab" * 32


@pytest.mark.parametrize("size", [1, 2**40])
def test_a_log_has_from_one_entry_to_2_to_the_40(size):
    assert Head(size, ROOT).size == size


@pytest.mark.parametrize("size", [0, 2**40 + 1, True, 7.0])
def test_any_other_number_of_entries_is_refused(size):
    with pytest.raises(ValueError, match="the number of entries of an audit log must be a whole number above 0"):
        Head(size, ROOT)


@pytest.mark.parametrize("root", [ROOT[:-2], ROOT + "ab", " " * 64])
def test_a_root_is_a_hash_of_32_bytes(root):
    with pytest.raises(ValueError, match="the root of an audit log must be 64 hexadecimal digits"):
        Head(3, root)
