"""What a Flower run takes along: the bundle's files, copied to where Flower packs them."""

import shutil
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


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
