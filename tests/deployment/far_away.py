"""A network that is far away: packets of IPv6 over a TUN device, each later by a while, and some lost.

What goes to the far address comes back as from it, to this machine's own: addresses swapped, which leaves checksums as
they are. So both ends of each connection are here, its packets are the kernel's, and TCP has to send the lost ones
again. `python -m tests.deployment.far_away DELAY_S LOST` is the way between; it needs a network namespace of its own.
"""

import ctypes
import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE, THERE = "fd00:7e55::1", "fd00:7e55::2"
TUN = Path("/dev/net/tun")
_NAME, _MTU = "study0", 1400
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of linux/sched.h
_SET_INTERFACE, _PLAIN_TUN = 0x400454CA, 0x1001  # TUNSETIFF, IFF_TUN | IFF_NO_PI of linux/if_tun.h


@contextmanager
def own_network() -> Iterator[None]:
    """This thread, and what it starts, is in a network of its own, where nothing is but loopback.

    Raises:
        OSError: this machine does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not TUN.exists() or libc.unshare(_NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "no network of its own")
        _ip("link", "set", "lo", "up")
        yield
    finally:
        libc.setns(before, _NEW_NETWORK)
        os.close(before)


def between(delay_s: float, lost: float) -> None:
    """Be the way, in both directions, until this process is ended."""
    tun = os.open(TUN, os.O_RDWR)
    fcntl.ioctl(tun, _SET_INTERFACE, struct.pack("16sH", _NAME.encode(), _PLAIN_TUN))
    _ip("link", "set", _NAME, "up", "mtu", str(_MTU))
    _ip("address", "add", f"{HERE}/64", "dev", _NAME, "nodad")
    chance, under_way = random.Random(0), deque[tuple[float, bytes]]()
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        if select.select([tun], [], [], wait)[0]:
            packet = os.read(tun, 2**16)
            if chance.random() >= lost:
                under_way.append((time.monotonic() + delay_s, packet[:8] + packet[24:40] + packet[8:24] + packet[40:]))
        while under_way and under_way[0][0] <= time.monotonic():
            os.write(tun, under_way.popleft()[1])


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


if __name__ == "__main__":
    between(float(sys.argv[1]), float(sys.argv[2]))
