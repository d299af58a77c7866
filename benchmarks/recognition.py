"""Live recognition against how it is done elsewhere, side by side in one run: a Markdown table of ratios.

    uv run python benchmarks/recognition.py [--quick] [--speech SPEECH] [--bundles FOLDER] [--only ROW ...] [--sweep]

Real recordings (kept-out digits joined with pauses, sentences of LibriSpeech) are played on a clock on which a second
of sound takes a second and computing takes its time (live_replay.py). Words are those of the default bundle; rows of
`small` and `base` take the time of a bundle of that size with random weights, on the same frames. Both sides are
measured in turn on the same sound, weights and threads; a ratio is that of medians. `--sweep` prints what the commit
distance does instead.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from live_replay import Replay, TimedRecognizer, replay
from random_bundles import REPOSITORY, random_bundle
from settling import committed_error, final_changes, revisions
from silence import idle_cpu
from spoken_streams import Stream, digit_clips, digit_stream, read_aloud

from engine.text.error_rate import error_rates
from export.bundle import open_bundle
from w2v_studio.bundles import default_bundle
from w2v_studio.recognition.live_features import RecomputedFeatures
from w2v_studio.recognition.live_settings import LiveSettings
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import analyse, transcribe
from w2v_studio.recognition.updates import FinalUpdate, SpeechUpdate

STEADY = LiveSettings(adaptive_hop=False)
UNSPECULATIVE = replace(STEADY, speculation_ms=10**6, trailing_ms=10**6)
NO_RULE = replace(STEADY, commit_distance_ms=10**7)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    measure: str
    against: str
    target: str
    reached: str
    n: str


class Bench:
    """What the rows share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.repeats = 1 if options.quick else 3
        self.tiny = Recognizer(default_bundle(), "cpu", options.threads)
        self.clips = digit_clips(options.speech)

    def words_of_tiny_time_of(self, size: str) -> TimedRecognizer:
        """A timed recogniser; loading warms it up."""
        if size == "tiny":
            self.tiny.warm_up()
            return TimedRecognizer(self.tiny)
        folder = random_bundle(size, self.options.bundles)
        load = Recognizer(open_bundle(folder), "cpu", self.options.threads)
        load.warm_up()
        return TimedRecognizer(self.tiny, load)

    def digits(self, seconds: float, seed: int = 0, **how: tuple[float, float]) -> Stream:
        return digit_stream(self.clips, seconds, seed, **how)  # type: ignore[arg-type]

    def long(self, seconds: float) -> float:
        return seconds / 4 if self.options.quick else seconds


def compute_while_live(bench: Bench) -> Iterator[Row]:
    """CPU time in the graphs, against decoding from samples every hop: the last 8 s of the segment, with everything
    else equal, final texts too; and the last 8 s of the stream while somebody speaks, without final texts.
    """

    def anew(live: object) -> None:
        live._features = RecomputedFeatures(live._recognizer)  # type: ignore[attr-defined]

    naive = replace(STEADY, left_context_s=STEADY.window_s)
    streams = {
        "digits": bench.digits(bench.long(60), group=(4, 12)),
        "read sentences": read_aloud(bench.options.speech, bench.long(60), 1),
    }
    for size, target in (("base", "0.6x"), ("small", "-"), ("tiny", "0.4x")):
        for name, stream in streams.items():
            timed = bench.words_of_tiny_time_of(size)
            ours: list[Replay] = []
            theirs: list[Replay] = []
            windows: list[float] = []
            for _ in range(bench.repeats):
                ours.append(replay(timed, stream.waveform, STEADY))
                theirs.append(replay(timed, stream.waveform, naive, anew))
                windows.append(last_8_s_every_hop(timed, stream, ours[-1]))
            mine = median(ours, "graphs_cpu_s")
            same = sum(a == b for a, b in zip(ours[0].text.split(), theirs[0].text.split(), strict=False))
            words = max(len(ours[0].text.split()), 1)
            yield Row(
                f"compute while live, {size}, {name}",
                "last 8 s of the segment / of the stream, anew each hop",
                target,
                f"{mine / median(theirs, 'graphs_cpu_s'):.2f}x / {mine / statistics.median(windows):.2f}x; final words "
                f"equal {same}/{words}; live load {median(ours, 'total_s') / stream.seconds:.2f}",
                f"{stream.seconds:.0f} s x {bench.repeats}",
            )


def last_8_s_every_hop(timed: TimedRecognizer, stream: Stream, played: Replay) -> float:
    """CPU time of a program that decodes the last 8 s from samples every hop of speech, and does nothing else."""
    spans = zip(*[iter(played.of_kind(SpeechUpdate))] * 2, strict=False)
    window, hop = round(STEADY.window_s * 16000), STEADY.hop_ms * 16
    ends = [
        end for on, off in spans for end in range(round(on.time_s * 16000) + hop, round(off.time_s * 16000) + 1, hop)
    ]
    began = timed.cpu_s
    for end in ends:
        timed.context(timed.features(stream.waveform[max(0, end - window) : end]).latents)
    return timed.cpu_s - began


def first_word(bench: Bench) -> Iterator[Row]:
    """End of the first word of an utterance to its first right display."""
    from transformers_live import live_texts

    streams = [bench.digits(bench.long(60), seed, group=(1, 2), gap_s=(0.25, 0.4)) for seed in range(bench.repeats)]
    ours: list[float] = []
    theirs: list[float] = []
    heard = 0
    for stream in streams:
        timed = bench.words_of_tiny_time_of("tiny")
        played = replay(timed, stream.waveform, LiveSettings())
        chunks = live_texts(timed, stream.waveform)
        for group in stream.groups:
            heard += 1
            word = group[0]
            mine = first_display(played, word.word, word.start_s)
            near = [c for c in chunks if c.last_s > word.start_s and c.first_s < word.end_s + 0.5]
            texts = itertools.accumulate(c.text for c in near)
            right = [c.shown_s for c, text in zip(near, texts, strict=True) if text.split()[:1] == [word.word]]
            if mine is not None and right:
                ours.append(max(0.0, mine - word.end_s))
                theirs.append(max(0.0, right[0] - word.end_s))
    ratio = statistics.median(ours) / statistics.median(theirs)
    reached = f"{ratio:.2f}x; p50 {statistics.median(ours):.2f} s against {statistics.median(theirs):.2f} s"
    yield Row("first-word latency, tiny", "transformers, 1 s chunks", "0.4x", reached, f"{len(ours)} of {heard}")
    for size in ("small", "base"):
        timed = bench.words_of_tiny_time_of(size)
        late: list[float] = []
        for stream in streams[: 1 if bench.options.quick else 2]:
            played = replay(timed, stream.waveform, LiveSettings())
            for group in stream.groups:
                shown = first_display(played, group[0].word, group[0].start_s)
                if shown is not None:
                    late.append(max(0.0, shown - group[0].end_s))
        reached = f"p50 {statistics.median(late):.2f} s, p90 {np.quantile(late, 0.9):.2f} s"
        target = "0.7 s" if size == "small" else "-"
        yield Row(f"first-word latency, {size}, {bench.options.threads} threads", "-", target, reached, str(len(late)))


def first_display(played: Replay, word: str, start_s: float) -> float | None:
    """When the segment that holds `start_s` first shows `word` as its first word."""
    finals = [final for final in played.of_kind(FinalUpdate) if final.start_s <= start_s + 0.1 < final.end_s]
    for final in finals[:1]:
        for shown_s, settled, still_open in played.displays(final.segment):
            if f"{settled} {still_open}".split()[:1] == [word]:
                return shown_s
    return None


def end_to_final(bench: Bench) -> Iterator[Row]:
    """Endpoint event to final text, with and without the decode in advance."""
    streams = {
        "digits": bench.digits(bench.long(90), group=(1, 6)),
        "read sentences": read_aloud(bench.options.speech, bench.long(90), 2),
    }
    for size in ("tiny", "small", "base"):
        timed = bench.words_of_tiny_time_of(size)
        for name, stream in streams.items():
            ours: list[float] = []
            theirs: list[float] = []
            hits: list[float] = []
            for _ in range(bench.repeats):
                played = replay(timed, stream.waveform, LiveSettings())
                ours += played.final_latencies
                hits += [latency <= 0.05 for latency in played.final_latencies]
                without = replace(UNSPECULATIVE, adaptive_hop=True)
                theirs += replay(timed, stream.waveform, without).final_latencies
            p95, base = np.quantile(ours, 0.95), np.quantile(theirs, 0.95)
            ready = [latency for latency in ours if latency <= 0.05]
            best = f"{1000 * np.quantile(ready, 0.95):.1f} ms" if ready else "-"
            reached = (
                f"{p95 / base:.3f}x; p95 {1000 * p95:.0f} ms against {1000 * base:.0f} ms; "
                f"within 50 ms {np.mean(hits):.0%} (their p95 {best})"
            )
            yield Row(
                f"end of speech to final text p95, {size}, {name}",
                "no speculation",
                "0.15x, 50 ms, 95 %",
                reached,
                str(len(ours)),
            )


def final_errors(bench: Bench) -> Iterator[Row]:
    """Words of live recognition and of the same recording offline."""
    for name, how in (("one digit at a time", {"group": (1, 1)}), ("joined digits", {"group": (2, 6)})):
        pairs: dict[str, list[tuple[str, str]]] = {"live": [], "offline": [], "windows": []}
        for seed in range(2 if bench.options.quick else 6):
            stream = bench.digits(60, seed, pause_s=(0.6, 1.6), **how)
            pairs["live"].append((stream.text, replay(TimedRecognizer(bench.tiny), stream.waveform, STEADY).text))
            pairs["offline"].append((stream.text, transcribe(bench.tiny, stream.waveform).text))
            pairs["windows"].append((stream.text, analyse(bench.tiny, stream.waveform).text))
        live, offline, windows = (error_rates(pairs[kind]).wer for kind in ("live", "offline", "windows"))
        reached = (
            f"{live / offline:.3f}x ({live:.1%} against {offline:.1%}; "
            f"the whole recording in 20 s windows {windows:.1%})"
        )
        words = sum(len(wanted.split()) for wanted, _ in pairs["live"])
        yield Row(f"final WER streamed, {name}", "offline, same model", "1.01x", reached, f"{words} words")


def stability(bench: Bench) -> Iterator[Row]:
    """Words that were shown as settled and changed, against all shown words where nothing settles."""
    streams = {
        "one digit at a time": bench.digits(bench.long(240), 0, group=(1, 1)),
        "joined digits": bench.digits(bench.long(240), 1, group=(4, 12)),
        "read sentences": read_aloud(bench.options.speech, bench.long(120), 3),
    }
    for name, stream in streams.items():
        timed = TimedRecognizer(bench.tiny)
        ours, free = replay(timed, stream.waveform, STEADY), replay(timed, stream.waveform, NO_RULE)
        settled, shown, words = revisions(ours, settled_only=True), revisions(free, settled_only=False), free.text
        count = max(1, len(words.split()))
        still_open = revisions(ours, settled_only=False)
        ratio = settled / shown if shown else 0.0
        changed, segments = final_changes(ours)
        reached = (
            f"{ratio:.2f}x ({settled / count:.2f} against {shown / count:.2f}; with the words drawn as unstable "
            f"{still_open / count:.2f}); final text changes committed words in {changed} of {segments} segments"
        )
        yield Row(f"revised words per final word, {name}", "no commit rule", "0.2x", reached, f"{count} words")


def silence(bench: Bench) -> Iterator[Row]:
    """CPU time of listening to a quiet room, by the real clock."""
    seconds = 10.0 if bench.options.quick else 30.0
    shares: dict[str, list[float]] = {"ours": [], "codes": [], "defaults": []}
    for _ in range(bench.repeats):
        for kind in shares:
            shares[kind].append(idle_cpu(kind, seconds))
    ours, codes, defaults = (statistics.median(shares[kind]) for kind in shares)
    reached = f"{ours / defaults:.3f}x; {ours:.2%} of a core against {defaults:.0%}; with codes shown {codes:.2%}"
    yield Row(
        "CPU while listening to silence",
        "runtime defaults",
        "0.05x, 2 %",
        reached,
        f"{seconds:.0f} s x {bench.repeats}",
    )


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "compute": compute_while_live,
    "first-word": first_word,
    "final": end_to_final,
    "wer": final_errors,
    "stability": stability,
    "silence": silence,
}


def median(replays: list[Replay], field: str) -> float:
    return statistics.median(getattr(played, field) for played in replays)


def sweep(bench: Bench) -> None:
    """What the commit distance costs in errors and delay (reference, streaming section 2)."""
    print("| commit distance | committed words | wrong | in final text | ratio | changed at the end | latency p50 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    streams = [bench.digits(bench.long(240), seed, group=(3, 8), gap_s=(0.25, 0.5)) for seed in range(2)]
    for distance_ms in (160, 320, 640, 1280, 2000):
        settings = replace(STEADY, commit_distance_ms=distance_ms)
        found = [committed_error(replay(TimedRecognizer(bench.tiny), s.waveform, settings), s) for s in streams]
        words, wrong, in_final, changed, segments = (
            sum(getattr(result, name) for result in found)
            for name in ("words", "wrong", "wrong_in_final", "changed", "segments")
        )
        late = [delay for result in found for delay in result.delays_s]
        delay = f"{statistics.median(late):.2f} s" if late else "-"
        ratio = f"{wrong / in_final:.2f}x" if in_final else "-"
        print(
            f"| {distance_ms} ms | {words} | {wrong / max(words, 1):.1%} | {in_final / max(words, 1):.1%} | {ratio} "
            f"| {changed} of {segments} | {delay} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, default=REPOSITORY.parent / "shared" / "speech")
    parser.add_argument("--bundles", type=Path, default=Path(tempfile.gettempdir()) / "w2v-random-bundles")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--quick", action="store_true", help="a quarter of the sound, once")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="ROW")
    parser.add_argument("--sweep", action="store_true", help="commit distances instead")
    options = parser.parse_args()
    if not options.speech.is_dir():
        sys.exit(f"{options.speech} is not there: --speech names the folder with digits/ and librispeech-mini/")
    bench = Bench(options)
    if options.sweep:
        sweep(bench)
        return
    began = time.perf_counter()
    print(f"{options.threads} threads, {bench.repeats} repeats\n")
    print("| measure | against | at most | reached | n |\n| --- | --- | --- | --- | --- |")
    for name in options.only:
        for row in ROWS[name](bench):
            print(f"| {row.measure} | {row.against} | {row.target} | {row.reached} | {row.n} |", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
