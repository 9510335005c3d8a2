"""A systemd that runs for real beside this machine's own: first of its own namespaces, on a copy of its files.

The copy is an overlay in memory: what is installed there is gone with it. The network is the machine's.
"""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from tests.deployment.machine import wait_until

_SYSTEMD, _RUNS = Path("/lib/systemd/systemd"), Path("/run/systemd/system")
_CGROUPS = Path("/sys/fs/cgroup")
_NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--propagation", "private", "--kill-child")
_MASKED = (
    *(
        f"systemd-{name}.service"
        for name in ("udevd", "udev-trigger", "modules-load", "sysctl", "remount-fs", "logind")
    ),
    *(f"systemd-{name}.service" for name in ("random-seed", "firstboot", "timesyncd", "networkd", "resolved")),
    *("systemd-udevd-control.socket", "systemd-udevd-kernel.socket", "dev-hugepages.mount", "dev-mqueue.mount"),
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount", "getty.target"),
    *("kmod-static-nodes.service", "apparmor.service", "networking.service", "e2scrub_reap.service"),
)
"""What concerns the hardware or the network that other processes use."""
_ITS_OWN = ("var/log/", "var/lib/systemd/", "etc/machine-id")
_BOOT = """\
set -e
umask 022
mount -t tmpfs tmpfs {below}
mkdir {below}/upper {below}/work {root}
mount -t overlay overlay -o lowerdir=/,upperdir={below}/upper,workdir={below}/work {root}
cd {root}
for unit in {masked}; do ln -sf /dev/null etc/systemd/system/$unit; done
printf '[Unit]\\nRequires=basic.target systemd-journald.service\\nAfter=basic.target\\nAllowIsolate=yes\\n' \
    > etc/systemd/system/trial.target
mkdir -p etc/systemd/system/system.slice.d      # all services together: beside a load, as much as so many processes
printf '[Slice]\nCPUShares=8192\nCPUWeight=800\n' > etc/systemd/system/system.slice.d/share.conf
: > etc/fstab
rm -f etc/machine-id
echo uninitialized > etc/machine-id
chmod o+x root          # Python may lie there
mount -t proc proc proc
for folder in run tmp dev; do mount -t tmpfs tmpfs $folder; done
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm run/lock
mount -t tmpfs tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
touch dev/console
mount --rbind /sys sys
mkdir -p srv/tessera
mount --bind {shared} srv/tessera
mount --make-rshared {root}   # systemd hands credentials over from a mount namespace of a child
exec env -i container=trial PATH="$PATH" chroot . {systemd} --unit=trial.target --log-target=console --show-status=no
"""


class Booted:
    """It runs until `end`; `shared` is a folder of this machine that it sees as /srv/tessera."""

    def __init__(self, folder: Path, shared: Path) -> None:
        below, self.log = folder / "booted", folder / "booted.log"
        below.mkdir()
        self._upper = below / "upper"
        values = {"below": below, "root": below / "root", "shared": shared, "systemd": _SYSTEMD}
        script = _BOOT.format(**values, masked=" ".join(_MASKED))
        with self.log.open("w") as log:
            command = ["setpriv", "--pdeathsig", "KILL", "unshare", *_NAMESPACES, "sh", "-c", script]
            self._started = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: self._started.poll() is not None or self._is_up(), 30, "systemd runs")

    @property
    def runs(self) -> bool:
        return self._started.poll() is None

    def run(self, *command: object, timeout: float = 300.0, **options) -> subprocess.CompletedProcess[str]:
        """A command there, as root; its output in order."""
        namespaces = ("--mount", "--pid", "--uts", "--ipc", "--cgroup")
        words = ["nsenter", "--target", str(self._first()), *namespaces, "--root", *map(str, command)]
        return subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, cwd="/", **options
        )

    def call(self, *command: object, **options) -> str:
        """The output of one that succeeds."""
        done = self.run(*command, **options)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def written(self, kinds: str = "f,l") -> set[str]:
        """Every file that was made or changed there, but for what systemd itself and its journal keep.

        `kinds` as of find: with "d,f,l", folders too in which something was.
        """
        listed = ["find", self._upper, "-type", kinds, "-printf", "%P\\n"]
        words = ["nsenter", "--target", str(self._first()), "--mount", *map(str, listed)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, cwd="/")
        return {name for name in done.stdout.splitlines() if not name.startswith(_ITS_OWN)}

    def end(self) -> None:
        """systemd, and with it everything in its namespaces."""
        with suppress(psutil.Error):
            psutil.Process(self._first()).send_signal(signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(self._started.pid, signal.SIGKILL)
        self._started.wait(20)
        wait_until(_took_groups_away, 20, "its processes have ended")

    def _first(self) -> int:
        children = psutil.Process(self._started.pid).children()
        return children[0].pid if children else 0

    def _is_up(self) -> bool:
        with suppress(psutil.Error):
            if self._first() and psutil.Process(self._first()).name() == "systemd":
                return self.run("systemctl", "is-active", "trial.target").stdout.strip() == "active"
        return False


def booted(folder: Path, shared: Path) -> Booted | None:
    """One that runs; None where this machine does not allow it."""
    if _RUNS.exists() or os.geteuid() or not _SYSTEMD.is_file():  # two would meet in the control groups
        return None
    if not all(map(shutil.which, ("unshare", "nsenter", "setpriv"))):
        return None
    there = Booted(folder, shared)
    return there if there.runs else None


def _took_groups_away() -> bool:
    """Whether none of its control groups is left; one that still has a process stays."""
    groups = [*_CGROUPS.glob("*/*.slice"), *_CGROUPS.glob("*/init.scope")]
    for group in groups:
        for folder, *_ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
    return not any(group.exists() for group in groups)
