"""Each format read back by a program that is not ours: FFmpeg for subtitles, praatio for TextGrid."""

import itertools
import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
from praatio import textgrid as praat

from engine.text.ctc import Word, text_of
from w2v_studio.recognition.transcribe import Transcript
from w2v_studio.transcripts.captions import captions
from w2v_studio.transcripts.formats import ENDINGS, render
from w2v_studio.transcripts.written import TranscriptWriter

CTM_LINE = re.compile(r"\S+ 1 \d+\.\d{3} \d+\.\d{3} \S+ [01]\.\d{4}")


def spoken(seed, count=300, longest=14):
    """Random words with random pauses, in passages, as (transcript)."""
    rng = np.random.default_rng(seed)
    at, passages, words = 0.5, [], []
    for _ in range(count):
        length = int(rng.integers(1, longest))
        word = "".join(rng.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ'"), length))
        duration = 0.06 * length
        words.append(Word(word, round(at, 2), round(at + duration, 2), float(rng.uniform())))
        at += duration + rng.exponential(0.12)
        if rng.uniform() < 0.08:
            passages.append(tuple(words))
            words = []
            at += rng.uniform(0.4, 4)
    passages.append(tuple(words))
    passages = tuple(passage for passage in passages if passage)
    every = [word for passage in passages for word in passage]
    return Transcript(text_of(every), every, at + 0.3, passages)


def raw(transcript):
    return TranscriptWriter("en", "raw").write(transcript)


def subtitles_by_ffmpeg(path):
    """(start, end, text) as another program reads them."""
    with av.open(str(path)) as file:
        found = []
        for packet in file.demux(subtitles=0):
            for cue in packet.decode():
                text = cue.ass.decode() if hasattr(cue, "ass") else cue.rects[0].ass.decode()
                start = float(packet.pts * packet.time_base)
                found.append((start, start + float(packet.duration * packet.time_base), text.split(",", 8)[-1]))
        return found


@pytest.mark.parametrize("form", ["srt", "vtt"])
@pytest.mark.parametrize("seed", range(3))
def test_another_program_reads_the_subtitles(tmp_path, form, seed):
    written = raw(spoken(seed))
    path = tmp_path / f"talk.{form}"
    path.write_text(render(form, path, written, {}), encoding="utf-8")
    read = subtitles_by_ffmpeg(path)
    expected = captions(written)
    assert len(read) == len(expected) > 20
    for (start, end, text), caption in zip(read, expected, strict=True):
        assert (start, end) == (pytest.approx(caption.start_s, abs=2e-3), pytest.approx(caption.end_s, abs=2e-3))
        assert text.replace("\\N", "\n") == "\n".join(caption.lines)


@pytest.mark.parametrize("seed", range(6))
def test_captions_keep_the_rules_and_every_word(seed):
    transcript = spoken(seed, longest=60 if seed == 5 else 14)
    made = captions(raw(transcript))
    assert " ".join(" ".join(caption.lines) for caption in made) == transcript.text
    words = iter(transcript.words)
    for caption, following in zip(made, [*made[1:], None], strict=True):
        inside = [next(words) for line in caption.lines for _ in line.split()]
        assert len(caption.lines) <= 2
        assert all(len(line) <= 42 or len(line.split()) == 1 for line in caption.lines)
        assert caption.start_s == inside[0].start_s
        assert caption.end_s - caption.start_s <= 7.001 or len(inside) == 1
        if following is not None:
            assert caption.end_s <= following.start_s
            # Words are not taken away before they are over, but for the gap between captions.
            assert caption.end_s >= min(inside[-1].end_s, following.start_s - 0.041)
        pauses = [after.start_s - before.end_s for before, after in itertools.pairwise(inside)]
        assert max(pauses, default=0) < 0.7


def test_a_lonely_word_stays_long_enough_to_be_read():
    word = Word("YES", 10.0, 10.2, 1.0)
    (caption,) = captions(raw(Transcript("YES", [word], 60.0, ((word,),))))
    assert (caption.start_s, caption.end_s) == (10.0, 11.0)
    (caption,) = captions(raw(Transcript("YES", [word], 10.4, ((word,),))))
    assert caption.end_s == 10.4  # not beyond the recording


@pytest.mark.parametrize("seed", range(3))
def test_praatio_reads_the_textgrid(tmp_path, seed):
    transcript = spoken(seed)
    path = tmp_path / "talk.TextGrid"
    path.write_text(render("textgrid", path, raw(transcript), {}), encoding="utf-8")
    grid = praat.openTextgrid(str(path), includeEmptyIntervals=False)
    assert grid.tierNames == ("passages", "words")
    assert grid.maxTimestamp == pytest.approx(transcript.duration_s, abs=1e-5)
    read = grid.getTier("words").entries
    assert [entry.label for entry in read] == [word.word for word in transcript.words]
    assert [entry.start for entry in read] == pytest.approx([word.start_s for word in transcript.words], abs=1e-5)
    assert [entry.end for entry in read] == pytest.approx([word.end_s for word in transcript.words], abs=1e-5)
    assert [entry.label for entry in grid.getTier("passages").entries] == [text_of(p) for p in transcript.passages]


def test_textgrid_without_words_and_with_overlapping_ones(tmp_path):
    path = tmp_path / "talk.TextGrid"
    overlapping = [Word('SAY"ING', 0.5, 1.0, 1.0), Word("B", 0.9, 1.4, 1.0), Word("C", 1.4, 1.4, 1.0)]
    for words in ([], overlapping):
        transcript = Transcript(text_of(words), words, 2.0, (tuple(words),) if words else ())
        path.write_text(render("textgrid", path, raw(transcript), {}), encoding="utf-8")
        grid = praat.openTextgrid(str(path), includeEmptyIntervals=True)
        entries = grid.getTier("words").entries
        assert entries[0].start == 0
        assert entries[-1].end == 2.0
        assert all(one.end == other.start for one, other in itertools.pairwise(entries))


def test_ctm_lines_are_strict_and_name_the_recording_without_spaces():
    transcript = spoken(0)
    lines = render("ctm", Path("my long talk.mp4"), raw(transcript), {}).splitlines()
    assert len(lines) == len(transcript.words)
    assert all(CTM_LINE.fullmatch(line) for line in lines)
    assert lines[0].startswith("my_long_talk 1 ")
    starts = [float(line.split()[2]) for line in lines]
    assert starts == sorted(starts)


def test_json_is_an_object_with_both_texts():
    words = [Word(word, place, place + 0.5, 0.5) for place, word in enumerate(["I", "HAVE", "TWENTY", "ONE", "COMMA"])]
    transcript = Transcript(text_of(words), words, 6.0, (tuple(words),))
    for style, text in (
        ("raw", "I HAVE TWENTY ONE COMMA"),
        ("written", "I have 21 comma"),
        ("dictated", "I have 21,"),
    ):
        line = render("json", Path("a.wav"), TranscriptWriter("en", style).write(transcript), {"bundle": "b"})
        assert line.count("\n") == 1
        values = json.loads(line)
        assert (values["file"], values["text"], values["raw_text"]) == ("a.wav", text, "I HAVE TWENTY ONE COMMA")
        assert values["passages"] == [{"raw_text": values["raw_text"], "start_s": 0, "end_s": 4.5}]


def test_vtt_spells_out_what_would_be_markup(tmp_path):
    words = [Word(text, place, place + 0.5, 1.0) for place, text in enumerate(["<I>", "A&B", "-->"])]
    path = tmp_path / "a.vtt"
    path.write_text(render("vtt", path, raw(Transcript(text_of(words), words, 3.0, (tuple(words),))), {}))
    (cue,) = subtitles_by_ffmpeg(path)
    assert cue[2] == "<I> A&B -->"


def test_a_long_pause_begins_a_paragraph_a_short_one_does_not():
    times = {"ONE": 0.0, "MAN": 1.0, "AND": 4.0, "HIS": 4.5}
    words = [Word(word, start, start + 0.4, 1.0) for word, start in times.items()]
    transcript = Transcript(text_of(words), words, 6.0, tuple((word,) for word in words))
    assert TranscriptWriter("en").write(transcript).text == "One man\nAnd his"
    assert TranscriptWriter("en", names=["Man And"]).write(transcript).text == "One man\nAnd his"
    assert TranscriptWriter("en", names=["One Man"]).write(transcript).text == "One Man\nAnd his"


@pytest.mark.parametrize("form", ENDINGS)
def test_nothing_said_is_a_valid_file_in_every_format(tmp_path, form):
    content = render(form, Path("a.wav"), raw(Transcript("", [], 3.0)), {})
    assert content == "" if form in ("text", "srt", "ctm") else content
