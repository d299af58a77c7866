"""`w2v-studio tune` on shipped digits, with a language model of digits."""

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.__main__ import main as engine
from engine.text.error_rate import error_rates
from export.bundle import open_bundle
from w2v_studio.__main__ import argument_parser
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle, find_bundle
from w2v_studio.commands.running import run_command
from w2v_studio.evaluation.clips import read_clips
from w2v_studio.recognition.decoding import flashlight_text
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults, read_defaults, write_defaults
from w2v_studio.recognition.decoding.decoder import build_decoder
from w2v_studio.recognition.decoding.settings import DecodingSettings
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import transcribe

DIGITS = Path(__file__).resolve().parents[3] / "resources" / "datasets" / "digits-mini"
needs_flashlight = pytest.mark.skipif(not flashlight_text.is_available(), reason="flashlight-text is not installed")


def command(*arguments) -> int:
    return run_command(argument_parser().parse_args([*map(str, arguments), "--provider", "cpu"]))


@pytest.fixture
def manifest(tmp_path) -> Path:
    """Forty recordings in noise, so that some are misheard."""
    with (DIGITS / "valid.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))[::2]
    path = tmp_path / "some" / "valid.tsv"
    path.parent.mkdir()
    rng = np.random.default_rng(1)
    for number, row in enumerate(rows):
        waveform = read_audio(DIGITS / row["path"])
        noise = rng.normal(0, 1.2 * waveform.std(), len(waveform))
        soundfile.write(path.parent / f"{number}.wav", waveform + noise, 16_000)
    lines = [f"{number}.wav\t{row['transcript']}" for number, row in enumerate(rows)]
    path.write_text("path\ttranscript\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the model for digits, with poor weights and a language model that likes other words better."""
    folder = tmp_path / "bundle"
    shutil.copytree(default_bundle().folder, folder)
    text = tmp_path / "text.txt"
    text.write_text("SEVEN SEVEN SEVEN NINE\n" * 50 + "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE\n")
    assert engine(["build-lm", str(text), "--out", str(folder / "lm.arpa.gz"), "--prune", "0"]) == 0
    write_defaults(folder, DecodingDefaults(0.2, lm_weight=8.0, word_score=-3.0, beam_width=40))
    return folder


@needs_flashlight
def test_weights_that_are_written_give_the_rate_that_was_told(folder, manifest, capsys):
    def evaluated() -> float:
        recognizer = Recognizer(open_bundle(folder), "cpu")
        decoder = build_decoder(recognizer.bundle, DecodingSettings("lm"))
        clips = read_clips(manifest).clips
        texts = [transcribe(recognizer, read_audio(clip.path), decoder, cut="never").text for clip in clips]
        return error_rates(zip([clip.reference for clip in clips], texts, strict=True)).wer

    before = evaluated()
    written = (folder / "decoding.json").read_bytes()
    assert command("tune", "--bundle", folder, "--data", manifest, "--dry-run") == 0
    assert (folder / "decoding.json").read_bytes() == written
    told = capsys.readouterr().out
    assert command("tune", "--bundle", folder, "--data", manifest) == 0
    assert capsys.readouterr().out.startswith(told)
    found = read_defaults(folder)
    assert (found.beam_width, found.measured_on) == (40, "some/valid.tsv")
    assert found.confidence_temperature != 0.2
    assert ("confidence of the language model's words: slope" in told) == (found.confidence_slope > 0)
    assert len(found.log_priors) == 32
    rates = [float(rate) / 100 for rate in re.findall(r"WER ([0-9.]+)%", told)]
    assert rates[0] == pytest.approx(before, abs=1e-4)
    assert rates[-1] == min(rate for rate in rates[1:]) < before
    assert evaluated() == pytest.approx(rates[-1], abs=1e-4)


def test_of_phones_it_also_tries_whether_each_frame_counts(manifest, tmp_path, capsys):
    folder = tmp_path / "phones"
    shutil.copytree(find_bundle("small-en").folder, folder)
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join(lines[:5]) + "\n")
    assert command("tune", "--bundle", folder, "--data", manifest, "--beam-width", 16) in (0, 1)
    tried = re.findall(r"merge_runs (true|false)  beam 16: WER ([0-9.]+)%\n", capsys.readouterr().out)
    assert {way for way, _ in tried} == {"true", "false"}
    best = min(float(rate) for _, rate in tried)
    assert read_defaults(folder).merge_runs in {way == "true" for way, rate in tried if float(rate) == best}


def test_without_a_language_model_only_confidence_is_fitted(folder, manifest, capsys):
    (folder / "lm.arpa.gz").unlink()
    assert command("tune", "--bundle", folder, "--data", manifest) in (0, 1)
    told = capsys.readouterr()
    assert "no language model" in told.out
    found = read_defaults(folder)
    assert (found.lm_weight, found.prior_weight) == (8.0, 0.0)


def test_what_cannot_be_heard_is_told(folder, manifest, capsys):
    assert command("tune", "--bundle", folder, "--data", manifest.with_name("nowhere.tsv")) == 1
    assert "nowhere.tsv cannot be read" in capsys.readouterr().err
    manifest.write_text("path\ttranscript\nmissing.flac\tONE\n")
    written = (folder / "decoding.json").read_bytes()
    assert command("tune", "--bundle", folder, "--data", manifest) == 1
    told = capsys.readouterr().err
    assert "missing.flac" in told
    assert "none of the 1 recordings" in told
    assert command("tune", "--bundle", folder, "--data", manifest, "--beam-width", "5000") == 1
    assert "1 to 1024" in capsys.readouterr().err
    assert (folder / "decoding.json").read_bytes() == written
