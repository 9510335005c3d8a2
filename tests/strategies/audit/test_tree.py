"""The tree of a log, against the vectors of Certificate Transparency and the formula of RFC 6962 written out."""

import hashlib
from functools import cache

import pytest

from strategies.audit.tree import SIZE, added, consistency, extends, n_nodes, root

ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of no entry, of the first one, and so on: merkle_tree_test.cc of the certificate-transparency project."""


def grown(entries):
    nodes = []
    for size, entry in enumerate(entries):
        assert len(nodes) == n_nodes(size)
        nodes += added(size, entry, nodes.__getitem__)
    return nodes.__getitem__


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


@cache
def mth(entries):
    """MTH of RFC 6962, section 2.1, word for word."""
    n = len(entries)
    if n == 0:
        return sha()
    if n == 1:
        return sha(b"\0", entries[0])
    k = max(2**i for i in range(n) if 2**i < n)
    return sha(b"\1", mth(entries[:k]), mth(entries[k:]))


def test_roots_are_those_of_certificate_transparency():
    nodes = grown(ENTRIES)
    assert [root(size, nodes).hex() for size in range(9)] == ROOTS


def test_every_node_has_the_size_by_which_a_file_of_them_is_read():
    new = [node for size, entry in enumerate(ENTRIES[:4]) for node in added(size, entry, grown(ENTRIES[:4]))]
    assert [len(node) for node in new] == [SIZE] * n_nodes(4)


def test_any_earlier_root_can_be_had_from_a_grown_tree():
    entries = tuple(b"entry %d" % number for number in range(37))
    nodes = grown(entries)
    assert [root(size, nodes) for size in range(38)] == [mth(entries[:size]) for size in range(38)]


def test_proofs_of_the_example_in_the_rfc_are_the_nodes_that_it_names():
    """RFC 6962, section 2.1.3, with its seven entries and its letters."""
    d = [bytes([number]) for number in range(7)]
    nodes = grown(d)
    leaf = [sha(b"\0", entry) for entry in d]
    c, node_d, j = leaf[2], leaf[3], leaf[6]
    g, h, i = (sha(b"\1", leaf[at], leaf[at + 1]) for at in (0, 2, 4))
    k = sha(b"\1", g, h)
    whole_right = sha(b"\1", i, j)
    assert consistency(3, 7, nodes) == [c, node_d, g, whole_right]
    assert consistency(4, 7, nodes) == [whole_right]
    assert consistency(6, 7, nodes) == [i, j, k]


def test_every_pair_of_sizes_is_proven_and_nothing_else_is():
    entries = [b"entry %d" % number for number in range(21)]
    others = [*entries[:4], b"another", *entries[5:]]
    nodes, other = grown(entries), grown(others)
    for second in range(1, 22):
        for first in range(1, second + 1):
            old, new, proof = root(first, nodes), root(second, nodes), consistency(first, second, nodes)
            assert extends(first, old, second, new, proof)
            assert not extends(first, old, second, new, [*proof, old])
            if proof:
                assert not extends(first, old, second, new, proof[:-1])
                assert not extends(first, old, second, new, [bytes(32), *proof[1:]])
            if second > 4:  # the fifth entry is another one
                forged = consistency(first, second, other)
                fits = root(first, other) == old
                assert extends(first, old, second, root(second, other), forged) == fits


@pytest.mark.parametrize(("first", "second"), [(0, 3), (4, 3), (-1, 3), (3, 0)])
def test_a_log_that_is_shorter_or_empty_extends_nothing(first, second):
    assert not extends(first, bytes(32), second, bytes(32), [])
