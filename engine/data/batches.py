"""Planned examples to arrays: audio read, joined, changed, cropped or padded; masks and distractors drawn. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.config import RunConfig
from engine.data.audio import SAMPLE_RATE, AudioCache, Waveform, to_float
from engine.data.augmentation import Augmentation, change_speed, draw_noise
from engine.data.examples import BATCH, EXAMPLE, Example, generator
from engine.data.manifest import DataError
from engine.masking import Mask, draw_channel_mask, draw_distractors, draw_time_mask
from engine.text.pronunciation import Pronunciations
from engine.text.vocabulary import Vocabulary

LEAST_PRETRAINING_FRAMES = 3
"""A row needs two masked frames, to tell one from the other, and one that is not masked."""
PAUSE_DBFS = (-75.0, -45.0)
"""Level of the noise in half of the pauses; the other half is silent."""


@dataclass
class PretrainingBatch:
    """`waveform` (B, N), rows full; `time_mask` (B, T), M masked in each row; `distractors` (B, M, K)."""

    waveform: Waveform
    time_mask: Mask
    distractors: NDArray[np.int64]
    origins: list[str] = field(default_factory=list)

    @property
    def audio_s(self) -> float:
        """Seconds of audio."""
        return float(self.waveform.size / SAMPLE_RATE)


@dataclass
class FinetuningBatch:
    """`waveform` (B, N) zero-padded, `lengths` (B,) valid samples; `targets` (B, L) padded, `target_lengths` (B,).

    `time_mask` (B, T) and `channel_mask` (B, D) are None where the config, or evaluation, has none; `phone_targets`
    (B, P) padded and `phone_lengths` (B,), 0 where a word's pronunciation is not known, where no phones are learned.
    """

    waveform: Waveform
    lengths: NDArray[np.int64]
    targets: NDArray[np.int64]
    target_lengths: NDArray[np.int64]
    transcripts: list[str]
    time_mask: Mask | None = None
    channel_mask: Mask | None = None
    origins: list[str] = field(default_factory=list)
    phone_targets: NDArray[np.int64] | None = None
    phone_lengths: NDArray[np.int64] | None = None

    @property
    def audio_s(self) -> float:
        """Seconds of audio, without the padding."""
        return float(self.lengths.sum() / SAMPLE_RATE)


def bucket_samples(examples: Sequence[Example]) -> int:
    """Samples of the fixed length that a batch was planned for; 0 where there is none."""
    return round(max(example.bucket_s or 0.0 for example in examples) * SAMPLE_RATE)


def _pause(seconds: float, rng: np.random.Generator) -> Waveform:
    samples = round(seconds * SAMPLE_RATE)
    if rng.random() < 0.5:
        return np.zeros(samples, dtype=np.float32)
    return np.float32(10 ** (rng.uniform(*PAUSE_DBFS) / 20)) * draw_noise(samples, rng)


def _padded(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels (B, longest) padded with 0, and their numbers (B,)."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    padded = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded, lengths


class Collator:
    """Reads examples; the base of both tasks. `training` turns augmentation and fine-tuning's masks on."""

    def __init__(self, run: RunConfig, cache: AudioCache, training: bool) -> None:
        self.run, self.cache, self.training = run, cache, training
        self._augmentation = Augmentation(run.data, cache, run.loop.seed) if training else None

    def waveform(self, example: Example, rng: np.random.Generator) -> Waveform:
        """The audio of one example, joined and at its speed; not yet cropped or augmented."""
        pieces = [to_float(self.cache.read(clip.path, clip.part)) for clip in example.clips]
        if example.pauses_s:
            pauses = [_pause(seconds, rng) for seconds in example.pauses_s]
            pieces = [*(part for pair in zip(pauses, pieces, strict=False) for part in pair), pauses[-1]]
        joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return change_speed(joined, example.speed)

    def generators(self, examples: Sequence[Example], epoch: int) -> list[np.random.Generator]:
        """One for each example, the same whichever batch it is in."""
        return [generator(self.run.loop.seed, EXAMPLE, epoch, example.index) for example in examples]

    def augment(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """Rooms, noise and gain, in training."""
        return waveform if self._augmentation is None else self._augmentation(waveform, rng)


class PretrainingCollator(Collator):
    """Rows cropped at random places to the shortest of the batch: pre-training knows no padding (section 14)."""

    def __call__(self, examples: Sequence[Example], epoch: int, index: int) -> PretrainingBatch:
        """The batch at place `index` of `epoch`."""
        run = self.run
        generators = self.generators(examples, epoch)
        rows = [self.waveform(example, rng) for example, rng in zip(examples, generators, strict=True)]
        size = min(min(map(len, rows)), bucket_samples(examples) or round(run.data.crop_s * SAMPLE_RATE))
        frames = run.model.frame_count(size)
        if frames < LEAST_PRETRAINING_FRAMES:
            shortest = examples[int(np.argmin([len(row) for row in rows]))]
            raise DataError(
                f"{shortest.origin} is too short to be masked ({size} samples): correct its duration_s or raise "
                "data.min_s (or data.crop_s)"
            )
        waveform = np.empty((len(rows), size), dtype=np.float32)
        for place, (row, rng) in enumerate(zip(rows, generators, strict=True)):
            start = int(rng.integers(len(row) - size + 1))
            waveform[place] = self.augment(row[start : start + size], rng)
        rng = generator(run.loop.seed, BATCH, epoch, index)
        masking = run.masking
        lengths = np.full(len(rows), frames)
        mask = draw_time_mask(
            lengths, masking.time_prob, masking.time_length, rng, min_spans=masking.time_min_spans, equalize=True
        )
        distractors = draw_distractors(mask, run.objective.negatives, rng)
        return PretrainingBatch(waveform, mask, distractors, [example.origin for example in examples])


class FinetuningCollator(Collator):
    """Rows padded with zeros to the longest of the batch, and their labels."""

    def __init__(
        self,
        run: RunConfig,
        cache: AudioCache,
        training: bool,
        vocabulary: Vocabulary,
        pronunciations: Pronunciations | None = None,
    ) -> None:
        super().__init__(run, cache, training)
        self.vocabulary, self.pronunciations = vocabulary, pronunciations

    def __call__(self, examples: Sequence[Example], epoch: int, index: int) -> FinetuningBatch:
        """The batch at place `index` of `epoch`."""
        generators = self.generators(examples, epoch)
        rows = [
            self.augment(self.waveform(example, rng), rng) for example, rng in zip(examples, generators, strict=True)
        ]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        # One receptive field is the least that the convolutions take.
        size = max(int(lengths.max()), bucket_samples(examples), self.run.model.receptive_field_samples)
        waveform = np.zeros((len(rows), size), dtype=np.float32)
        for place, row in enumerate(rows):
            waveform[place, : len(row)] = row
        targets, target_lengths = _padded([self.vocabulary.encode(example.transcript) for example in examples])
        phone_targets = phone_lengths = None
        if self.pronunciations is not None:
            phones = [self.pronunciations.encode(example.transcript) for example in examples]
            phone_targets, phone_lengths = _padded([row or [] for row in phones])
        time_mask, channel_mask = self._masks(lengths, waveform.shape[1], epoch, index)
        return FinetuningBatch(
            waveform,
            lengths,
            targets,
            target_lengths,
            [example.transcript for example in examples],
            time_mask,
            channel_mask,
            [example.origin for example in examples],
            phone_targets,
            phone_lengths,
        )

    def _masks(
        self, lengths: NDArray[np.int64], samples: int, epoch: int, index: int
    ) -> tuple[Mask | None, Mask | None]:
        masking, model = self.run.masking, self.run.model
        rng = generator(self.run.loop.seed, BATCH, epoch, index)
        time_mask = channel_mask = None
        if self.training and masking.time_prob > 0:
            frames = np.array([model.frame_count(int(length)) for length in lengths])
            drawn = draw_time_mask(
                frames, masking.time_prob, masking.time_length, rng, min_spans=masking.time_min_spans
            )
            time_mask = np.zeros((len(lengths), model.frame_count(samples)), dtype=bool)
            time_mask[:, : drawn.shape[1]] = drawn
        if self.training and masking.channel_prob > 0:
            channel_mask = draw_channel_mask(
                len(lengths), model.embed_dim, masking.channel_prob, masking.channel_length, rng
            )
        return time_mask, channel_mask
