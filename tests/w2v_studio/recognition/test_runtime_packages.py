import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def pretend_installed(folder, name, version):
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_two_packages_of_the_runtime_are_told_with_the_remedy(tmp_path):
    for name in ("onnxruntime", "onnxruntime-gpu"):
        pretend_installed(tmp_path, name, "1.99.0")
    run = subprocess.run(
        [sys.executable, "-m", "w2v_studio", "transcribe", "resources/samples/digits-jackson.flac", "--raw"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=120,
    )
    assert run.returncode == 0
    assert run.stdout == "FOUR ZERO FIVE ONE NINE\n"
    assert "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files" in run.stderr
    assert "pip uninstall onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu" in run.stderr
    assert run.stderr.count("\n") == 1
