"""The models that come with the program, through ONNX, on recordings that they were not trained on."""

import csv
import re
from pathlib import Path

import pytest

from engine.text.error_rate import error_rates
from w2v_studio.assets import bundled_models_folder, resources_folder
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle, find_bundle
from w2v_studio.recognition.decoding.decoder import build_decoder
from w2v_studio.recognition.decoding.settings import DecodingSettings
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import Transcriber

CORPUS = Path(__file__).parents[2].parent / "shared" / "speech"
KEPT_OUT = re.compile(r"_[0-3]\.flac$")


@pytest.fixture(scope="module")
def recognizer():
    """The model for digits."""
    bundle = find_bundle("tiny-en")
    assert bundle.folder.parent == bundled_models_folder()
    return Recognizer(bundle, provider="cpu", threads=1)


@pytest.fixture(scope="module")
def small():
    """The default model, with its language model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("W2V_STUDIO_BUNDLE")
        bundle = default_bundle()
    assert bundle.folder == bundled_models_folder() / "small-en"
    decoder = build_decoder(bundle, DecodingSettings("auto"))
    return Transcriber(Recognizer(bundle, provider="cpu", threads=1), decoder)


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


def words_of(transcriber, manifest, chosen):
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if chosen(row)]
    return [
        (row["transcript"], transcriber.transcribe([read_audio(manifest.parent / row["path"])]).text) for row in rows
    ]


def test_small_en_hears_the_sample_clips(small):
    """It was trained on these digits, so this says that it works as shipped, not how good it is."""
    pairs = words_of(
        small, resources_folder() / "samples" / "samples.tsv", lambda row: row["path"].startswith("digits")
    )
    assert sum(len(said.split()) for said, _ in pairs) == 20
    assert error_rates(pairs).wer <= 0.2


@pytest.mark.parametrize(("name", "limit"), [("speechocean762", 0.85), ("digits", 0.15)])
def test_small_en_on_open_test_sets(small, name, limit):
    """Every sixth recording; all of them are in the model's RECIPE.md."""
    manifest = CORPUS / name / "test.tsv"
    if not manifest.exists():
        pytest.skip("the corpora are not beside the repository")
    every = iter(range(1000))
    pairs = words_of(small, manifest, lambda _: next(every) % 6 == 0)
    assert len(pairs) >= 20
    assert error_rates(pairs).wer <= limit


@pytest.mark.parametrize(("name", "largest"), [("tiny-en", 10_000_000), ("small-en", 40_000_000)])
def test_they_are_small_and_their_cards_are_complete(name, largest):
    bundle = find_bundle(name)
    assert sum(path.stat().st_size for path in bundle.folder.rglob("*") if path.is_file()) <= largest
    card = bundle.card
    assert card.codebook_trained
    assert card.licence
    assert card.description
    assert max(value for name, value in card.parity.items() if name != "fp16_rounding") <= 1e-4
