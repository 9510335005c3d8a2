"""A settings file is a plain file of a plain size."""

import os

import pytest

from modalities.core.settings import yaml_file
from modalities.core.settings.site import read_site_config
from strategies.settings import load_federation


@pytest.mark.parametrize("read", [read_site_config, load_federation])
def test_a_pipe_is_not_waited_for_and_a_device_not_read(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(ValueError, match=rf"^{name}\.yaml: a folder, a pipe or a device, no file; put the file"):
            read(tmp_path / f"{name}.yaml")


def test_a_file_larger_than_any_settings_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml_file, "_MOST_BYTES", 1000)
    (tmp_path / "site.yaml").write_bytes(b"#" * 1001)
    with pytest.raises(ValueError, match=r"^site\.yaml: has 1,001 bytes, and settings at most 1,000; is it the"):
        read_site_config(tmp_path / "site.yaml")
