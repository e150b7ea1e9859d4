"""The types that the package tells are those that it has."""
import subprocess
import sys

import pytest

pytest.importorskip("mypy")

USE = """
import diffulm

model = diffulm.Model("folder", diffulm.Runtime(threads=2, precision="bf16"))
trainer = diffulm.Trainer(model, lr=1e-3, lr_schedule="linear", stepz=3)
session = diffulm.Session(model, diffulm.Sampler("cmlm", steps=4))
for step in session:
    print([change.token + 1 for change in step.changes], step.changez)
mask: int = model.info.mask_id
"""


def test_stubs_have_the_signatures_of_the_package():
    done = subprocess.run([sys.executable, "-m", "mypy.stubtest", "diffulm", "--ignore-missing-stub"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_type_checker_finds_wrong_options_fields_and_missing_none(tmp_path):
    path = tmp_path / "use.py"
    path.write_text(USE)
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", str(path)], capture_output=True, text=True, check=False)
    assert done.stdout.count(": error:") == 3, done.stdout + done.stderr
    assert '"stepz"' in done.stdout and '"changez"' in done.stdout and '"int | None"' in done.stdout
