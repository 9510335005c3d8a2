"""What the coordinator gives to every site, as one folder: authority, release key, settings, lists, roster."""

import shutil
from pathlib import Path

from modalities.core.settings.yaml_file import plain_in
from server.coordinator.folder import Study


def hand_out_files(study: Study) -> list[Path]:
    """Fill the folder anew; its files. The settings are those of federation.yaml, which has been checked."""
    lists = _lists(study)
    shutil.rmtree(study.for_sites, ignore_errors=True)
    study.for_sites.mkdir()
    files = [study.tls.authority, study.release_public_key, study.federation]
    files += [study.folder / name for name in dict.fromkeys(lists)]
    files += [study.roster] * study.roster.exists()
    return [Path(shutil.copy(file, study.for_sites)) for file in files]


def _lists(study: Study) -> list[str]:
    """The files of features that federation.yaml names."""
    raw = plain_in(study.federation)
    sections = raw.get("modalities", {}).values() if isinstance(raw, dict) else ()
    return [str(section["features_file"]) for section in sections if section and section.get("features_file")]
