"""Key files: written for their owner alone, read with a message that says what is wrong."""

import base64
import hashlib
import os
from pathlib import Path

from modalities.core.problems import unusable

PRIVATE_MODE = 0o600
_FROM_OTHERS = 0o027


def keep_from_others() -> None:
    """Whatever this process makes from now on, others of the machine can neither read nor change; a group may read."""
    os.umask(os.umask(0o077) | _FROM_OTHERS)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read, from its first byte on.

    Raises:
        ValueError: the file is there already: a key is never overwritten.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    except FileExistsError:
        raise unusable("there is a key already", "move it away if a new one is really wanted", file=str(path)) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def private_file(path: Path) -> Path:
    """Where a private key lies: a service has a copy of its own, as systemd's credential of the same name."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) / path.name if folder and (Path(folder) / path.name).is_file() else path


def read_private(path: Path) -> bytes:
    """The content of a private key's file, or of the credential in its place.

    Raises:
        ValueError: it is absent, or others than its owner can read it.
    """
    if private_file(path) != path:
        return private_file(path).read_bytes()
    if not path.is_file():
        folder = path.parent.parent
        gone = f"{folder} is not there either: is its disk mounted? Otherwise bring it back"
        make = "make one with `init`, or bring it back from where keys are kept"
        raise unusable("no such key", make if folder.is_dir() else gone, file=str(path))
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        what = f"others can read this key (mode {mode:o})"
        raise unusable(what, f"run: chmod 600 {path}", file=str(path))
    return path.read_bytes()


def line_fingerprint(line: str) -> str:
    """Of a public key's OpenSSH line, as `ssh-keygen -lf` prints it: SHA256 of the key's bytes in base64."""
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
