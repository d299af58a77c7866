"""A child that speaks the run protocol without learning anything: process states are tested against it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from w2v_studio.training import model as model_module
from w2v_studio.training.model import Programs, TrainingModel

CHILD = """
import os, sys, time
from pathlib import Path
from engine import events
from engine.config import RunConfig, save, with_settings

began = time.time()
mode, words = sys.argv[1], sys.argv[2:]
resumed = words[0] == "resume"
folder = Path(words[1] if resumed else words[words.index("--out") + 1])
steps = 100_000 if mode != "short" else 8
if not resumed:
    settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    save(with_settings(RunConfig(task=words[0]), settings), folder / events.CONFIG_FILE)
task = "finetune" if '"finetune"' in (folder / events.CONFIG_FILE).read_text() else "pretrain"
first = 4 if resumed else 0
out = events.EventWriter(folder)
events.write_heartbeat(folder, began)
out.write(events.Started(1, task, {}, first, steps, "cpu", "fp32", 123, 4, 9.0))
print("learning", *words, flush=True)

def checkpoint(step):
    path = folder / "checkpoints" / f"step-{step:08d}.pt"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"weights")
    out.write(events.CheckpointSaved(step, f"checkpoints/{path.name}"))
    return f"checkpoints/{path.name}"

last = ""
for step in range(first + 1, min(first + 3_000, steps) + 1):
    out.write(events.Step(step, 10.0 / step, 1e-4, 50.0, step * 0.02, (steps - step) * 0.02, accuracy=0.5))
    if step == 4:
        last = checkpoint(step)
        if task == "finetune":
            out.write(events.Evaluation(step, 1.0, wer=0.5, cer=0.25, samples=[["ONE TWO", "ONE TO"]]))
    if mode == "crash" and step == 6:
        print("Segmentation fault, or so", file=sys.stderr, flush=True)
        os._exit(3)
    if mode != "deaf" and (folder / events.STOP_FILE).exists():
        (folder / events.STOP_FILE).unlink()
        out.write(events.Finished(step, "stopped", checkpoint(step)))
        sys.exit(0)
    if step % 20 == 0:
        events.write_heartbeat(folder, began)
    time.sleep(0.02)
out.write(events.Finished(step, "completed", checkpoint(step)))
"""

EXPORTER = """
import sys
from pathlib import Path
run, out = Path(sys.argv[2]), Path(sys.argv[sys.argv.index("--out") + 1])
if sys.argv[1] == "bad":
    print("loading", "torch and ONNX differ by 0.3, above 0.0001", sep=chr(10))
    sys.exit(1)
out.mkdir(parents=True, exist_ok=True)
(out / "bundle.json").write_text("{}")
"""


@pytest.fixture
def make_model(
    tmp_path: Path, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., TrainingModel]]:
    """Models on one home folder; `mode` says how their child behaves. What still runs at the end is killed."""
    monkeypatch.setattr(model_module, "POLL_MS", 40)
    (tmp_path / "child.py").write_text(CHILD, encoding="utf-8")
    (tmp_path / "exporter.py").write_text(EXPORTER, encoding="utf-8")
    presets = tmp_path / "presets"
    presets.mkdir()
    (presets / "small.toml").write_text('name = "small"\nexpects = "a minute"\n', encoding="utf-8")
    (presets / "small-digits.toml").write_text('task = "finetune"\nname = "small-digits"\n', encoding="utf-8")
    data = tmp_path / "speech" / "digits"
    data.mkdir(parents=True)
    head = "path\tduration_s\tspeaker\ttranscript\n"
    (data / "train.tsv").write_text(head + "a.flac\t4.5\tanna\tONE\nb.flac\t4.5\tbob\tTWO\n", encoding="utf-8")
    (data / "many.tsv").write_text(head + "c.flac\t9.0\teve\t\n", encoding="utf-8")
    models: list[TrainingModel] = []

    def make(mode: str = "obedient", export: str = "good") -> TrainingModel:
        programs = Programs(
            (sys.executable, str(tmp_path / "child.py"), mode), (sys.executable, str(tmp_path / "exporter.py"), export)
        )
        model = TrainingModel(tmp_path / "home", presets, [tmp_path / "speech"], programs)
        models.append(model)
        return model

    yield make
    for model in models:
        for run in model.runs:
            model.kill(run)
        for child in model._children.values():
            child.kill()
            child.wait()
        model.close()
