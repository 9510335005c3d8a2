"""`tessera-client pseudonymise`: the cases of a site go by pseudonyms, and no export needs an edit."""

from pathlib import Path

from modalities.core.files.atomic import write_atomically
from modalities.core.problems import unusable
from modalities.core.pseudonyms import new_pseudonyms, read_pseudonyms
from modalities.core.settings.site import SITE_FILE, read_site_config
from modalities.core.site.cases import ids_in

FILE = "pseudonyms.json"
_SECTION = """
# Case ids are replaced by pseudonyms as they are read; the file leads them back, so it stays with you.
pseudonyms: {file}
"""


def pseudonymise(folder: Path, file: str = "") -> tuple[Path, int, int]:
    """Put every case of cases.csv on the list, with a key of its own at the first time, and name it in site.yaml.

    The file, how many cases are on its list, and how many of them are new.

    Raises:
        ValueError: site.yaml, the case list or the file is wrong, or site.yaml names another file already.
    """
    config = read_site_config(folder / SITE_FILE)
    if file and config.pseudonyms not in ("", file):
        remedy = "move the file there yourself, or take the line out of site.yaml; another key makes other pseudonyms"
        raise unusable(f"pseudonyms: {config.pseudonyms} is named already, not {file}", remedy, file=SITE_FILE)
    name = config.pseudonyms or file or FILE
    path = folder / name
    before = read_pseudonyms(path) if path.exists() or config.pseudonyms else new_pseudonyms()
    after = before.with_numbers(ids_in(folder / config.cases))
    after.write(path)
    if not config.pseudonyms:
        site_file = folder / SITE_FILE
        text = site_file.read_text(encoding="utf-8")
        write_atomically(site_file, (text.rstrip("\n") + "\n" + _SECTION.format(file=name)).encode())
    return path, len(after.numbers), len(after.numbers) - len(before.numbers)


def number_of(folder: Path, pseudonym: str) -> str:
    """The hospital's number behind a pseudonym.

    Raises:
        ValueError: the site has no pseudonyms, or this one is not on the list.
    """
    config = read_site_config(folder / SITE_FILE)
    if not config.pseudonyms:
        raise unusable("the site has no pseudonyms", "make them with `tessera-client pseudonymise`", file=SITE_FILE)
    held = read_pseudonyms(folder / config.pseudonyms)
    if pseudonym.strip() not in held.numbers:
        what = f"{pseudonym}: not on the list of {config.pseudonyms}"
        raise unusable(what, "run `tessera-client pseudonymise` again after a change of cases.csv")
    return held.numbers[pseudonym.strip()]
