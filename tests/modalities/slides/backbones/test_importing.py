"""A timm that describes operators of torchvision which torch does not have; each in a process of its own."""

import subprocess
import sys

import pytest

SCRIPT = "from modalities.slides.backbones.importing import import_timm; print(import_timm().LOADED)"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("torch.library.register_fake('torchvision::nms')(len); LOADED = 'whole'", "whole"),
        ("raise RuntimeError('no driver')", "RuntimeError: no driver"),
    ],
    ids=["its operators are declared", "another error stays"],
)
def test_timm_is_imported_beside_a_torchvision_without_its_compiled_half(tmp_path, monkeypatch, code, said):
    (tmp_path / "timm.py").write_text(f"import torch\n{code}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr).splitlines()[-1] == said
