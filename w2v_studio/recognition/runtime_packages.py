"""Which package of ONNX Runtime is installed. There are several with the same files; two of them spoil each other."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")


def installed_runtimes() -> dict[str, str]:
    """Installed packages of ONNX Runtime with their versions."""
    found = {}
    for name in RUNTIMES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def runtime_conflict() -> tuple[str, str]:
    """("", "") where at most one is installed, else a sentence about the conflict and the command that ends it."""
    found = list(installed_runtimes())
    if len(found) < 2:
        return "", ""
    keep = "onnxruntime-gpu" if "onnxruntime-gpu" in found else found[0]
    return (
        f"{' and '.join(found)} are both installed and overwrite each other's files",
        f"pip uninstall {' '.join(found)} && pip install {keep}",
    )
