"""What `service` does to a machine, step by step, each said; below a folder, the files alone, and the commands to type.

Done twice, a step changes nothing.
"""

import grp
import os
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from modalities.core.files.atomic import write_atomically
from modalities.core.problems import Problem, check

_RUNS = Path("/run/systemd/system")
"""There exactly where systemd is the machine's first process, as its own tools ask."""
_FOLDER = "tessera"
"""Below /etc, for what belongs to no unit alone."""
MADE = "Tessera's service"
"""The comment of a user that `service install` made: such a one goes with the last service that runs as it."""
_COMMAND_S = 120.0


class Machine:
    """This machine; or the tree of one that does not run, below `root`."""

    def __init__(self, root: Path | None, say: Callable[[str], None]) -> None:
        """Each step is said.

        Raises:
            ValueError: without `root`: this user may not, or systemd does not run here.
        """
        self.root, self._say = root, say
        self.left: list[str] = []
        """Commands that are left to type, since nothing runs below `root`."""
        if root is None:
            may = [Problem("only root may do this", "type it behind `sudo`")] if os.geteuid() else []
            runs = "add --root / to write the files alone; the commands that are left are said then"
            check(may + ([] if _RUNS.is_dir() else [Problem("systemd does not run here", runs)]))

    def place(self, path: Path) -> Path:
        """Where a file of the machine lies."""
        return path if self.root is None else self.root / path.relative_to("/")

    def read(self, path: Path) -> str:
        """A file's text; empty where there is none."""
        place = self.place(path)
        return place.read_text(encoding="utf-8") if place.is_file() else ""

    def write(self, path: Path, text: str) -> bool:
        """Write a file that everybody may read; whether it is another than before."""
        if self.read(path) == text:
            self._say(f"{self.place(path)} is as it should be")
            return False
        parent = self.place(path).parent
        for folder in reversed([each for each in (parent, *parent.parents) if not each.exists()]):
            folder.mkdir()
            folder.chmod(0o755)  # the services' users read there, whatever the umask
        write_atomically(self.place(path), text.encode())
        self.place(path).chmod(0o644)
        self._say(f"wrote {self.place(path)}")
        return True

    def remove(self, path: Path) -> None:
        """Take a file or a folder away, and a folder of ours that is empty then."""
        place = self.place(path)
        if place.is_dir():
            shutil.rmtree(place)
        elif place.exists() or place.is_symlink():
            place.unlink()
        else:
            return
        self._say(f"removed {place}")
        if place.parent.name == _FOLDER and not any(place.parent.iterdir()):
            place.parent.rmdir()

    def do(self, *command: str) -> None:
        """Run a command of the machine.

        Raises:
            RuntimeError: it fails; the message is what it said.
        """
        if self.root is not None:
            self.left.append(shlex.join(command))
            return
        self._say(shlex.join(command))
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)}: {(done.stderr or done.stdout).strip()}")

    def ask(self, *command: str) -> str:
        """What a command says that changes nothing; empty below a root, where nothing runs."""
        if self.root is not None:
            return ""
        return subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S).stdout.strip()

    def make_user(self, name: str) -> bool:
        """A user of the system without home and shell; whether it was made."""
        if self.root is None and _entry(name) is not None:
            return False
        shell = "/usr/sbin/nologin"
        self.do(
            *("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"),
            *("--shell", shell, "--comment", MADE, name),
        )
        return True

    def remove_user(self, name: str) -> None:
        """Take a user away that `make_user` made; any other stays."""
        entry = _entry(name)
        if self.root is not None or (entry is not None and entry.pw_gecos == MADE):
            self.do("userdel", name)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def groups_of(paths: Sequence[Path]) -> dict[int, str]:
    """The groups that these files belong to, by number; not root's: a service is no member of that.

    Raises:
        ValueError: one has no name on this machine, which systemd asks for.
    """
    numbers = sorted({path.stat().st_gid for path in paths if path.exists()} - {0})
    known = {number: name for number in numbers if (name := _group_name(number))}
    remedy = "give it one (groupadd --gid), or the files to another group"
    check([Problem(f"group {n} has no name on this machine", remedy) for n in numbers if n not in known])
    return {number: known[number] for number in numbers}


def refuse_unreadable(user: str, groups: Sequence[int], program: Path, paths: Sequence[Path]) -> None:
    """The user of a service must be able to read its data, and to run its program; asked as that user.

    Raises:
        ValueError: it is not; the first files are said.
    """
    entry = pwd.getpwnam(user)

    def as_user(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=groups,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            cwd="/",
            check=False,
        )

    problems = []
    try:
        ran = as_user(str(program), "--help")
        why = ran.stderr.strip().splitlines()[-1:] if ran.returncode else []
    except PermissionError:
        why = ["Permission denied"]
    if why:
        remedy = "install Tessera where every user may run it, such as /opt/tessera"
        problems.append(Problem(f"{user} cannot run {program}: {why[0]}", remedy))
    for path in paths:
        unread = as_user("find", str(path), "-name", ".tessera", "-prune", "-o", "!", "-readable", "-print")
        lines = [*unread.stdout.splitlines(), *(["its folder"] if unread.returncode and not unread.stdout else [])]
        if lines:
            more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
            what = f"{user} cannot read {', '.join(lines[:3])}{more}"
            problems.append(Problem(what, f"let the folder's group read it: chmod -R g+rX {path}", file=str(path)))
    check(problems)


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return ""
