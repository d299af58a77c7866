"""A bundle on a manifest: the text of each recording whole and streamed, against its reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.text.alignment import AlignmentError, align_words
from engine.text.ctc import Word
from engine.text.vocabulary import VocabularyError
from w2v_studio.audio.files import AudioFileError, read_audio
from w2v_studio.evaluation.clips import Clip
from w2v_studio.evaluation.error_counts import Utterance, compare
from w2v_studio.evaluation.latency import Latencies
from w2v_studio.evaluation.replay import LEAD_S, Player, as_played
from w2v_studio.recognition.decoding.decoder import LiveDecoders
from w2v_studio.recognition.sessions import Recognizer, Waveform
from w2v_studio.recognition.transcribe import Transcriber, analyse


@dataclass
class Results:
    """What was measured so far: the recordings as a whole, the same with the silence that a player puts around them,

    and streamed. `unread` are sentences about files that could not be used.
    """

    offline: list[Utterance] = field(default_factory=list)
    played: list[Utterance] = field(default_factory=list)
    streamed: list[Utterance] = field(default_factory=list)
    aware: Latencies = field(default_factory=Latencies)
    unaware: Latencies = field(default_factory=Latencies)
    audio_s: float = 0.0
    unaligned: int = 0
    unread: list[str] = field(default_factory=list)


def measure(
    recognizer: Recognizer, clips: tuple[Clip, ...], decoders: LiveDecoders, *, stream: bool, folder: Path
) -> Iterator[Results]:
    """Measure one clip after the other; gives the same, growing results after each. Names are relative to `folder`."""
    transcriber = Transcriber(recognizer, decoders.final)
    players = [Player(recognizer, compute_aware=aware, decoders=decoders) for aware in (False, True)] if stream else []
    results = Results()
    for clip in clips:
        name = str(clip.path.relative_to(folder)) if clip.path.is_relative_to(folder) else str(clip.path)
        try:
            waveform = read_audio(clip.path, results.unread.append)
        except AudioFileError as error:
            results.unread.append(str(error))
            yield results
            continue
        results.audio_s += len(waveform) / recognizer.bundle.card.sample_rate
        results.offline.append(compare(name, clip.reference, transcriber.transcribe([waveform]).text))
        if players:
            said = said_words(recognizer, waveform, clip.reference)
            results.unaligned += not said
            # The clip lies behind the lead.
            moved = [replace(word, start_s=word.start_s + LEAD_S, end_s=word.end_s + LEAD_S) for word in said]
            sound = as_played(waveform, recognizer.bundle.card.sample_rate)
            results.played.append(compare(name, clip.reference, transcriber.transcribe([sound]).text))
            unaware, aware = (player.play(sound) for player in players)
            results.unaware.add(unaware, moved)
            results.aware.add(aware, moved)
            results.streamed.append(compare(name, clip.reference, unaware.text))
        yield results


def said_words(recognizer: Recognizer, waveform: Waveform, reference: str) -> list[Word]:
    """The reference with times, by forced alignment; empty where the model cannot spell it or it does not fit."""
    bundle = recognizer.bundle
    try:
        logits = analyse(recognizer, waveform).logits
        return align_words(logits, reference.split(), bundle.vocabulary, bundle.stride_s)
    except (VocabularyError, AlignmentError):
        return []
