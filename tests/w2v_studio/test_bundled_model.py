"""The model that comes with the program, through ONNX, on recordings that it was not trained on."""

import csv
import re
from pathlib import Path

import pytest

from engine.text.error_rate import error_rates
from w2v_studio.assets import bundled_models_folder, resources_folder
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import Transcriber

CORPUS = Path(__file__).parents[2].parent / "shared" / "speech"
KEPT_OUT = re.compile(r"_[0-3]\.flac$")


@pytest.fixture(scope="module")
def recognizer():
    bundle = default_bundle()
    assert bundle.folder.parent == bundled_models_folder()
    return Recognizer(bundle, provider="cpu", threads=1)


def results(recognizer, manifest):
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if KEPT_OUT.search(row["path"])]
    waveforms = [read_audio(manifest.parent / row["path"]) for row in rows]
    transcriber = Transcriber(recognizer)
    return [
        (row["transcript"], transcriber.transcribe([waveform]).text)
        for row, waveform in zip(rows, waveforms, strict=True)
    ]


def test_digits_it_was_not_trained_on(recognizer):
    pairs = results(recognizer, resources_folder() / "datasets" / "digits-mini" / "valid.tsv")
    assert len(pairs) == 80
    assert error_rates(pairs).wer <= 0.10


def test_all_kept_out_digits_of_the_corpus(recognizer):
    manifest = CORPUS / "digits" / "train.tsv"
    if not manifest.exists():
        pytest.skip("the digits corpus is not beside the repository")
    pairs = results(recognizer, manifest)
    assert len(pairs) == 160
    assert error_rates(pairs).wer <= 0.10


def test_it_is_small_and_its_card_is_complete(recognizer):
    folder = recognizer.bundle.folder
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 10_000_000
    card = recognizer.bundle.card
    assert card.codebook_trained
    assert card.licence
    assert card.description
    assert max(value for name, value in card.parity.items() if name != "fp16_rounding") <= 1e-4
