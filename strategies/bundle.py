"""The Flower App Bundle: the code that a run brings to the sites, and the digest by which a site approves it."""

import hashlib
import shutil
import tempfile
import tomllib
import zipfile
from io import BytesIO
from pathlib import Path

from modalities.core.logs import plain
from strategies.flower.bundles import build

REPOSITORY = Path(__file__).resolve().parents[1]
_MANIFEST = ".info/CONTENT"
_MOST_BYTES = 100 * 2**20
"""More than any bundle unpacks to: Flower takes 10 MB packed."""


def staged_app(repository: Path, folder: Path) -> Path:
    """A copy of what the bundle is made of, so that Flower need not walk through .venv; the bundle is the same."""
    description = repository / "pyproject.toml"
    app = tomllib.loads(description.read_text(encoding="utf-8"))["tool"]["flwr"]["app"]
    folder.mkdir()
    shutil.copy(description, folder)
    for pattern in app["fab-include"]:
        name = pattern.removeprefix("/").removesuffix("/**")
        shutil.copytree(repository / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def version_of_source(repository: Path = REPOSITORY) -> str:
    """The version that this source calls itself, whatever was installed."""
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def digest_of_checkout(repository: Path = REPOSITORY) -> str:
    """The digest of the bundle that this source makes.

    Raises:
        ValueError: there is no source here, as where only a wheel was installed.
    """
    if not (repository / "pyproject.toml").is_file():
        raise ValueError(f"{repository}: no source here; run from a clone of the repository, installed as editable")
    with tempfile.TemporaryDirectory() as folder:
        return digest_of_bundle(build(staged_app(repository, Path(folder) / "app")))


def digest_of_bundle(bundle: bytes) -> str:
    """SHA-256 over every file's path and SHA-256: of what will run, however it was compressed.

    Flower's own hash is of the packed bytes, which differ with the compression library of the machine that packed them.

    Raises:
        ValueError: it is no bundle, holds a file twice or under a name that would pass for two, or unpacks to more than
            any bundle does.
    """
    try:
        with zipfile.ZipFile(BytesIO(bundle)) as packed:
            files = packed.infolist()
            names = [file.filename for file in files]
            if any(name != plain(name) for name in names):
                raise ValueError("the bundle holds a file whose name has a line break or a control character")
            if len(set(names)) < len(names) or sum(file.file_size for file in files) > _MOST_BYTES:
                raise ValueError("the bundle holds a file twice, or is too large")
            lines = [
                f"{hashlib.sha256(packed.read(file)).hexdigest()}  {file.filename}\n"
                for file in sorted(files, key=lambda file: file.filename)
                if file.filename != _MANIFEST
            ]
    except zipfile.BadZipFile as error:
        raise ValueError("the bundle is no zip archive") from error
    return hashlib.sha256("".join(lines).encode()).hexdigest()
