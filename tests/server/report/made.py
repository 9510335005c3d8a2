"""A finished study in a folder, as `tessera-server run` leaves it, without SuperLink and SuperNodes."""

from pathlib import Path

from modalities.core.settings.federation import Federation
from server.coordinator.folder import Study
from server.state.study import StudyState


def study_folder(folder: Path, federation: Federation, state: StudyState) -> Path:
    """Its federation.yaml and its checkpoint."""
    study = Study(folder)
    study.run.mkdir(parents=True)
    study.federation.write_text(federation.to_json(), encoding="utf-8")
    state.save(study.run / "checkpoint.safetensors")
    return folder
