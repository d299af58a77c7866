"""What importing the app loads, and what is loaded by the time its window can be seen. Each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEVER = ("torch", "torchaudio", "transformers", "onnx", "onnxscript", "tensorboard")
LATE = ("onnxruntime", "pyqtgraph")

REPORT = """
import json, sys
def report():
    print("LOADED", json.dumps(sorted(name for name in sys.modules if "." not in name)), flush=True)
"""

IMPORT_ALL = """
import importlib, pathlib
for path in sorted(pathlib.Path("w2v_studio").rglob("*.py")):
    name = ".".join(path.with_suffix("").parts)
    if path.name == "__init__.py":
        name = ".".join(path.parent.parts)
    if path.name != "__main__.py":
        importlib.import_module(name)
report()
"""


def loaded_after(script: str, home: Path) -> list[set[str]]:
    """Top-level modules at each report() of `script`, run by a fresh Python in the repository's root."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "W2V_STUDIO_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", REPORT + script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [set(json.loads(line[7:])) for line in done.stdout.splitlines() if line.startswith("LOADED ")]


def test_no_module_of_the_app_loads_torch(tmp_path):
    (loaded,) = loaded_after(IMPORT_ALL, tmp_path)
    assert "PySide6" in loaded, "the app's modules were not imported"
    assert not loaded & set(NEVER)


@pytest.mark.parametrize("module", ["engine.config", "engine.events", "engine.masking", "export.bundle"])
def test_the_contract_loads_no_torch(module, tmp_path):
    (loaded,) = loaded_after(f"import {module}\nreport()", tmp_path)
    assert not loaded & {*NEVER, *LATE, "PySide6"}


OPEN_WINDOW = """
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication
from w2v_studio import studio as parts

application = QApplication([])
studio = parts.Studio()

class FirstPaint(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            studio.window.removeEventFilter(self)
            report()
        return False

def finish(*_):
    for screen in (parts.TRAIN, parts.INSPECT, parts.DICTATE):
        studio.window.show_screen(screen)
        application.processEvents()
    report()
    studio.window.close()

watcher = FirstPaint()
studio.window.installEventFilter(watcher)
studio.dictation.recognizer_ready.connect(finish)
studio.dictation.recognizer_failed.connect(finish)
studio.window.show()
application.exec()
studio.close()
"""


def test_the_window_paints_before_slow_libraries_load_and_never_needs_torch(tmp_path):
    first_paint, all_screens = loaded_after(OPEN_WINDOW, tmp_path)
    assert "PySide6" in first_paint
    assert not first_paint & {*LATE, *NEVER}
    assert not all_screens & set(NEVER)
