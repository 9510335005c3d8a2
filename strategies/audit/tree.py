"""The Merkle tree of an append-only log: one root for all entries, and proofs that a later log extends an earlier.

Nodes are kept in the order in which they become complete, 32 bytes each: after each leaf the nodes above it that it
completes. So the file of a tree only ever grows, and any complete node is found by its place.

Source: RFC 6962, section 2.1; verification: RFC 9162, section 2.1.4.2.
"""

import hashlib
from collections.abc import Callable, Sequence

SIZE = 32
"""Bytes of a hash."""
Nodes = Callable[[int], bytes]
"""The hash at this place of the order."""


def leaf_hash(entry: bytes) -> bytes:
    """Of one entry; the prefix keeps a node from passing for an entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def n_nodes(size: int) -> int:
    """How many nodes are complete in a tree of this many entries."""
    return 2 * size - size.bit_count()


def added(size: int, entry: bytes, nodes: Nodes) -> list[bytes]:
    """The nodes that an entry completes in a tree of `size` entries: its leaf, then those above it."""
    new = [leaf_hash(entry)]
    for height in range((~size & (size + 1)).bit_length() - 1):
        left_end = (size + 1) - 2**height
        new.append(node_hash(nodes(_place(left_end, height)), new[-1]))
    return new


def root(size: int, nodes: Nodes) -> bytes:
    """The root over the first `size` entries; that of none is the hash of nothing."""
    return _root_of(0, size, nodes) if size else hashlib.sha256(b"").digest()


def consistency(first: int, second: int, nodes: Nodes) -> list[bytes]:
    """The proof that the first `second` entries begin with the first `first` ones; 0 < first <= second."""
    return _subproof(first, 0, second, True, nodes)


def extends(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that the log with the second head begins with the one with the first."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    path = [first_root, *proof] if first.bit_count() == 1 else list(proof)
    if not path:
        return False
    shift = (~(first - 1) & first).bit_length() - 1  # both walk up from the last entry that ends a left subtree
    at, last = (first - 1) >> shift, (second - 1) >> shift
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and (old, new) == (first_root, second_root)


def _place(end: int, height: int) -> int:
    """Where the complete node stands that is `height` levels above its last entry, the `end`-th."""
    return n_nodes(end - 1) + height


def _root_of(begin: int, end: int, nodes: Nodes) -> bytes:
    """The root over entries `begin` to `end`, as RFC 6962 splits them: MTH(D[begin:end])."""
    width = end - begin
    if width & (width - 1) == 0:
        return nodes(_place(end, width.bit_length() - 1))
    middle = begin + _split(width)
    return node_hash(_root_of(begin, middle, nodes), _root_of(middle, end, nodes))


def _subproof(first: int, begin: int, end: int, is_whole: bool, nodes: Nodes) -> list[bytes]:
    """SUBPROOF(first, D[begin:end], is_whole)."""
    width = end - begin
    if first == width:
        return [] if is_whole else [_root_of(begin, end, nodes)]
    half = _split(width)
    if first <= half:
        return [*_subproof(first, begin, begin + half, is_whole, nodes), _root_of(begin + half, end, nodes)]
    left = _root_of(begin, begin + half, nodes)
    return [*_subproof(first - half, begin + half, end, False, nodes), left]


def _split(width: int) -> int:
    """The largest power of 2 below the width."""
    return 1 << ((width - 1).bit_length() - 1)
