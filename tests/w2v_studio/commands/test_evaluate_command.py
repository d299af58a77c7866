"""`w2v-studio evaluate` on the shipped digits."""

import csv
import json
import re
from pathlib import Path

import pytest

from engine.text.error_rate import error_rates
from w2v_studio.__main__ import argument_parser
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle
from w2v_studio.commands.running import run_command
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import transcribe

MANIFEST = Path(__file__).resolve().parents[3] / "resources" / "datasets" / "digits-mini" / "valid.tsv"


def evaluate(*arguments) -> int:
    return run_command(argument_parser().parse_args(["evaluate", *map(str, arguments), "--provider", "cpu"]))


def test_rates_are_those_of_the_library(capsys):
    assert evaluate("--data", MANIFEST, "--only", r"_0\.flac$", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    recognizer = Recognizer(default_bundle(), "cpu")
    with MANIFEST.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["path"].endswith("_0.flac")]
    pairs = [
        (row["transcript"], transcribe(recognizer, read_audio(MANIFEST.parent / row["path"])).text) for row in rows
    ]
    expected = error_rates(pairs)
    assert values["offline"]["utterances"] == len(rows) == 40
    assert values["offline"]["wer"] == pytest.approx(expected.wer, abs=1e-5)
    assert values["offline"]["cer"] == pytest.approx(expected.cer, abs=1e-5)
    assert values["offline"]["wer_95"][0] <= expected.wer <= values["offline"]["wer_95"][1]
    assert (values["manifest"], values["bundle"], values["decoding"]) == ("digits-mini/valid.tsv", "tiny-en", "greedy")
    assert "latency" not in values


def test_streaming_gives_all_terms(capsys):
    assert evaluate("--data", MANIFEST, "--only", r"jackson/._jackson_0\.flac$", "--stream", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["streamed"]["utterances"] == 10
    assert values["wer_streamed_over_offline"] is None or values["wer_streamed_over_offline"] <= 3
    for clock in ("compute_aware", "not_compute_aware"):
        found = values["latency"][clock]
        assert found["first_word_s"]["n"] >= 6
        assert -0.1 < found["first_word_s"]["p50"] < 1.5
        assert found["first_word_s"]["p50"] <= found["commit_s"]["p50"]
        # 400 ms of silence, the reference's rule, the block, and what CTC ends words too early by.
        assert 0.4 <= found["endpoint_delay_s"]["p50"] < 0.9
        assert found["final_words"] >= 8
        assert found["load"] > 0
    assert values["latency"]["not_compute_aware"]["finalisation_s"]["p99"] == 0


def test_the_table_for_people(capsys):
    assert evaluate("--data", MANIFEST, "--only", r"jackson/[3-5]_jackson_0\.flac$", "--stream", "--worst", "2") == 0
    told = capsys.readouterr()
    for text in (
        "| whole |",
        "| streamed |",
        "first-word latency",
        "live load",
        "substitutions",
        "CPU; ",
        "3 recordings",
    ):
        assert text in told.out
    assert len(re.findall(r"_0\.flac \(\d of 1\)", told.out)) <= 2
    assert told.err == ""


def test_files_that_are_not_there_are_told_and_the_rest_counts(tmp_path, capsys):
    manifest = tmp_path / "m.tsv"
    good = MANIFEST.parent / "audio" / "jackson" / "5_jackson_0.flac"
    manifest.write_text(f"path\ttranscript\n{good}\tFIVE\nabsent.wav\tSIX\n{good}\t\n{good}\t5 €\n")
    assert evaluate("--data", manifest, "--json", "--stream") == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["offline"]["utterances"] == 2
    assert json.loads(told.out)["unaligned"] == 1  # the model has no such letters
    assert "there is no file" in told.err
    assert "1 rows of" in told.err
    manifest.write_text("path\ttranscript\nabsent.wav\tSIX\n")
    assert evaluate("--data", manifest) == 1
    assert "none of the 1 recordings" in capsys.readouterr().err
    assert evaluate("--data", tmp_path / "absent.tsv") == 1
    assert "cannot be read" in capsys.readouterr().err
