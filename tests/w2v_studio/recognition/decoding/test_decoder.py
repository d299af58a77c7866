"""The decoder that the settings ask for, and the files of a bundle that it takes into account."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from engine.__main__ import main as engine
from engine.text.ctc import text_of
from export.bundle import Bundle, open_bundle
from w2v_studio.bundles import default_bundle
from w2v_studio.recognition.decoding import flashlight_text
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults, read_defaults, write_defaults
from w2v_studio.recognition.decoding.decoder import GreedyDecoder, build_decoder, build_live_decoders
from w2v_studio.recognition.decoding.language_model import LanguageModelDecoder
from w2v_studio.recognition.decoding.settings import DecodingError, DecodingSettings, Hotword

needs_flashlight = pytest.mark.skipif(not flashlight_text.is_available(), reason="flashlight-text is not installed")


@pytest.fixture
def bundle(tmp_path) -> Bundle:
    """A copy of the bundled model, to put files into."""
    folder = tmp_path / "bundle"
    shutil.copytree(default_bundle().folder, folder)
    (folder / "decoding.json").unlink(missing_ok=True)
    return open_bundle(folder)


def written(bundle: Bundle, text: str) -> np.ndarray:
    logits = np.zeros((2 * len(text), len(bundle.vocabulary)), np.float32)
    for place, letter in enumerate(text):
        logits[2 * place, bundle.vocabulary.tokens.index("|" if letter == " " else letter)] = 10
        logits[2 * place + 1, bundle.vocabulary.blank] = 10
    return logits


def test_every_mode_says_the_same_of_clear_speech_with_times_from_the_first_frame(bundle):
    logits = written(bundle, "SEVEN FOUR")
    for mode in ("greedy", "beam"):
        words = build_decoder(bundle, DecodingSettings(mode)).decode(logits, first_frame=500)
        assert text_of(words) == "SEVEN FOUR"
        assert words[0].start_s == pytest.approx(500 * bundle.stride_s)
    assert build_decoder(bundle).decode(logits) == build_decoder(bundle, DecodingSettings()).decode(logits)


def test_hotwords_work_in_partial_and_final_texts(bundle):
    logits = written(bundle, "SEVEN FOUR")
    logits[2 * 6, bundle.vocabulary.tokens.index("P")] = 9
    settings = DecodingSettings("beam", hotwords=(Hotword("pour"),))
    made = build_live_decoders(bundle, settings)
    for each in (build_decoder(bundle, settings), made.final, made.partial):
        assert text_of(each.decode(logits)) == "SEVEN POUR"
    assert text_of(build_decoder(bundle, DecodingSettings("beam")).decode(logits)) == "SEVEN FOUR"


def test_the_bundles_temperature_decides_the_confidence(bundle):
    logits = written(bundle, "SEVEN FOUR") / 2
    before = build_decoder(bundle).decode(logits)
    write_defaults(bundle.folder, DecodingDefaults(confidence_temperature=2.0))
    after = build_decoder(bundle).decode(logits)
    assert all(one.confidence > other.confidence for one, other in zip(before, after, strict=True))


def test_the_bundles_beam_is_taken_where_none_is_asked_for(bundle):
    # Blank is the likelier of each frame, A of both together: 0.64 over three paths. A beam of 1 drops them all.
    probabilities = np.full((2, len(bundle.vocabulary)), 1e-9)
    probabilities[:, bundle.vocabulary.blank] = 0.6
    probabilities[:, bundle.vocabulary.tokens.index("A")] = 0.4
    logits = np.log(probabilities).astype(np.float32)
    assert text_of(build_decoder(bundle, DecodingSettings("beam")).decode(logits)) == "A"
    write_defaults(bundle.folder, DecodingDefaults(beam_width=1))
    assert text_of(build_decoder(bundle, DecodingSettings("beam")).decode(logits)) == ""
    assert text_of(build_decoder(bundle, DecodingSettings("beam", beam_width=8)).decode(logits)) == "A"


@needs_flashlight
def test_a_language_model_of_the_bundle_or_the_users_own(bundle, tmp_path):
    settings = DecodingSettings("lm")
    with pytest.raises(DecodingError, match=r"has no language model.*build-lm"):
        build_decoder(bundle, settings)
    text = tmp_path / "text.txt"
    text.write_text("SEVEN FOUR\nFOUR SEVEN\nONE FOUR\n")
    assert engine(["build-lm", str(text), "--out", str(bundle.folder / "lm.arpa.gz"), "--prune", "0"]) == 0
    logits = written(bundle, "SEVEN FOUX")
    logits[2 * 9, bundle.vocabulary.tokens.index("R")] = 9
    assert text_of(build_decoder(bundle, settings).decode(logits)) == "SEVEN FOUR"
    assert text_of(build_decoder(bundle, DecodingSettings("auto")).decode(logits)) == "SEVEN FOUR"
    live = build_live_decoders(bundle)
    assert text_of(live.final.decode(logits)) == text_of(live.partial.decode(logits)) == "SEVEN FOUR"
    assert text_of(build_decoder(bundle).decode(logits)) == "SEVEN FOUR"
    assert text_of(build_decoder(bundle, DecodingSettings("greedy")).decode(logits)) == "SEVEN FOUX"
    text.write_text("SEVEN FOUX\n" * 9)
    own = tmp_path / "own.arpa"
    assert engine(["build-lm", str(text), "--out", str(own), "--prune", "0"]) == 0
    own_settings = DecodingSettings("lm", language_model=own, lm_weight=1.0, word_score=0.5)
    assert text_of(build_decoder(bundle, own_settings).decode(logits)) == "SEVEN FOUX"
    (bundle.folder / "lm.arpa.gz").unlink()
    assert isinstance(build_decoder(bundle, DecodingSettings("auto")), GreedyDecoder)
    assert isinstance(build_decoder(bundle, replace(own_settings, mode="auto")), LanguageModelDecoder)
    with pytest.raises(DecodingError, match="nowhere"):
        build_decoder(bundle, DecodingSettings("auto", language_model=tmp_path / "nowhere.arpa"))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"confidence_temperature": 0}',
        '{"lm_weight": "much"}',
        '{"word_score": NaN}',
        "x" * 200_000,
        '{"beam_width": 0}',
        '{"beam_width": 99999}',
        '{"beam_width": 2.5}',
        '{"beam_width": true}',
        '{"merge_runs": 1}',
        '{"prior_weight": 0.4}',
        '{"prior_weight": 0.4, "log_priors": 3}',
        '{"prior_weight": 0.4, "log_priors": [-1, "x"]}',
    ],
)
def test_defaults_that_cannot_be_used_are_refused(bundle, content):
    (bundle.folder / "decoding.json").write_text(content)
    with pytest.raises(DecodingError, match=r"decoding\.json cannot be used"):
        build_decoder(bundle)


def test_defaults_are_read_as_written_and_unknown_ones_ignored(tmp_path):
    assert read_defaults(tmp_path) == DecodingDefaults()
    wanted = DecodingDefaults(0.4, 0.7, 2.0, -9.0, 64, False, 1.5, 0.75, 0.25, 0.3, (-1.0, -2.5), "somewhere")
    write_defaults(tmp_path, wanted)
    assert read_defaults(tmp_path) == wanted
    (tmp_path / "decoding.json").write_text('{"lm_weight": 2, "later": true}')
    assert read_defaults(tmp_path) == DecodingDefaults(lm_weight=2)


def test_settings_that_no_decoder_can_follow_are_refused():
    with pytest.raises(DecodingError, match="auto, greedy, beam, lm"):
        DecodingSettings("best")
    with pytest.raises(DecodingError, match="1 to 1024"):
        DecodingSettings("beam", beam_width=0)
