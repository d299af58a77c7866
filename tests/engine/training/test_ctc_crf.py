"""CTC-CRF: against all paths one by one, and as part of a training."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lhotse
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engine.config import ConfigError, RunConfig
from engine.data.audio import AudioCache
from engine.data.batches import FinetuningCollator
from engine.data.examples import plan_examples
from engine.data.manifest import read_manifest
from engine.events import Failed, Finished, Step
from engine.text.phone_trigram import count_phones, phone_trigram
from engine.text.pronunciation import Pronunciations
from engine.training.checkpoint import find_checkpoint, load_checkpoint
from engine.training.ctc_crf import log_partition, rival_loss
from engine.training.session import build_learner

Build = Callable[..., RunConfig]
Train = Callable[..., Finished | Failed]
Told = Callable[..., list[Any]]
PHONES = 3


def log_probability(trigram: np.ndarray, sentence: list[int]) -> float:
    """Of the whole sentence, its end with it; nats."""
    row = np.asarray([0, 0, *sentence, 0])
    return float(np.log(trigram[row[:-2], row[1:-1], row[2:]]).sum())


@pytest.fixture
def trigram() -> np.ndarray:
    rng = np.random.default_rng(4)
    sentences = [rng.integers(1, PHONES + 1, rng.integers(1, 6)).tolist() for _ in range(20)]
    return phone_trigram(count_phones(sentences, PHONES))


def each_path(log_probs: Tensor, trigram: np.ndarray) -> Tensor:
    """log Z of frames (T, tokens), path by path."""
    scores = []
    for path in itertools.product(range(1 + PHONES), repeat=len(log_probs)):
        said = [token for token, _ in itertools.groupby(path) if token]
        scores.append(log_probs[range(len(path)), path].sum() + log_probability(trigram, said))
    return torch.stack(scores).logsumexp(dim=0)


def test_the_partition_sums_over_all_paths_and_its_gradient_is_that_of_the_sum(trigram: np.ndarray) -> None:
    torch.manual_seed(1)
    logits = torch.randn(3, 6, 1 + PHONES, dtype=torch.float64, requires_grad=True)
    lengths, weights = torch.tensor([6, 4, 1]), torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    log_probs = logits.log_softmax(dim=-1)
    wanted = torch.stack([each_path(row[:length], trigram) for row, length in zip(log_probs, lengths, strict=True)])
    found = log_partition(log_probs, lengths, torch.from_numpy(trigram).double())
    assert found.tolist() == pytest.approx(wanted.tolist(), abs=1e-6)
    (wanted_grad,) = torch.autograd.grad((weights * wanted).sum(), logits, retain_graph=True)
    (found_grad,) = torch.autograd.grad((weights * found).sum(), logits)
    assert torch.allclose(found_grad, wanted_grad, atol=1e-7)
    assert found_grad[1, 4:].abs().max() == 0


def test_long_clips_and_sure_frames_stay_numbers(trigram: np.ndarray) -> None:
    logits = (100 * torch.randn(2, 3000, 1 + PHONES)).requires_grad_()
    found = log_partition(logits.log_softmax(dim=-1), torch.tensor([3000, 1234]), torch.from_numpy(trigram))
    found.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(found).all()
    assert torch.isfinite(logits.grad).all()


def test_sentences_share_one_probability_among_them(trigram: np.ndarray) -> None:
    """exp(-loss) of all sentences that four frames can say sums to 1: no other loss of this form does."""
    torch.manual_seed(2)
    logits, frames = torch.randn(1, 4, 1 + PHONES), torch.tensor([4])
    total = 0.0
    for length in range(5):
        for said in itertools.product(range(1, 1 + PHONES), repeat=length):
            if length + sum(one == other for one, other in itertools.pairwise(said)) > 4:
                continue
            padded, lengths = torch.tensor([[*said, *[0] * (4 - length)]]), torch.tensor([length])
            log_probs = logits.log_softmax(dim=-1).transpose(0, 1)
            ctc = F.ctc_loss(log_probs, padded, frames, lengths, reduction="sum")
            total += math.exp(-float(ctc + rival_loss(logits, frames, padded, lengths, torch.from_numpy(trigram))))
    assert total == pytest.approx(1, abs=1e-5)


def test_sentences_too_long_for_their_frames_do_not_count(trigram: np.ndarray) -> None:
    logits, weights = torch.randn(2, 4, 1 + PHONES), torch.from_numpy(trigram)
    # Two alike need a blank between: five frames.
    said, lengths = torch.tensor([[1, 2, 2, 1], [1, 2, 3, 1]]), torch.tensor([4, 4])
    frames = torch.tensor([4, 4])
    both = rival_loss(logits, frames, said, lengths, weights)
    second = rival_loss(logits[1:], frames[1:], said[1:], lengths[1:], weights)
    assert float(both) == pytest.approx(float(second))
    assert float(rival_loss(logits[:1], frames[:1], said[:1], lengths[:1], weights)) == 0


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    path = tmp_path / "words"
    path.write_text("EE\tIY\nE\tEH\nTT\tT T\nT\tT\nAA\tAA\nA\tAH\nOO\tUW\nO\tOW\nNN\tN\nN\tN\n")
    return path


def test_the_loss_of_an_update_has_it_on_top(corpus: Path, small_run: Build, lexicon: Path) -> None:
    kinds = "dropout", "attention", "activation", "input", "features", "final", "layerdrop"
    certain = [f"dropout.{kind}=0.0" for kind in kinds]
    run = small_run("finetune", f"ctc.lexicon={lexicon}", "ctc.phone_weight=0.3", "ctc.crf_weight=0.5", *certain)
    objective: Any = build_learner(run).objective
    clips = read_manifest(corpus / "train.tsv")
    collate = FinetuningCollator(run, AudioCache(), False, objective.vocabulary, objective.pronunciations)
    batch = collate(plan_examples([clips], run.data, 1, 0)[:10], 0, 0)
    with torch.no_grad():
        without = float(objective.contribution(batch, 0).loss)
        objective.learn_sequences([clip.transcript for clip in clips])
        scores, frames = objective.model(torch.from_numpy(batch.waveform), torch.from_numpy(batch.lengths))
        found = float(objective.contribution(batch, 0).loss)
    phones = scores[..., len(objective.vocabulary) :]
    said = [objective.pronunciations.encode(clip.transcript) for clip in clips]
    table = phone_trigram(count_phones(said, len(objective.pronunciations.phones)))
    targets, lengths = torch.from_numpy(batch.phone_targets), torch.from_numpy(batch.phone_lengths)
    rivals = float(rival_loss(phones, frames, targets, lengths, torch.from_numpy(table)))
    assert abs(rivals) > 1
    assert found == pytest.approx(without + 0.3 * 0.5 * rivals, rel=1e-4)


def test_a_run_learns_with_it_and_goes_on(
    corpus: Path, tmp_path: Path, small_run: Build, train: Train, told: Told, lexicon: Path
) -> None:
    def run(updates: int, crf_weight: float) -> RunConfig:
        return small_run(
            "finetune",
            f"ctc.lexicon={lexicon}",
            f"ctc.crf_weight={crf_weight}",
            f"loop.updates={updates}",
            "loop.log_every=1",
            "optimizer.schedule=constant",
            "optimizer.warmup=0.0",
        )

    def losses(name: str) -> list[float]:
        return [step.loss for step in told(tmp_path / name, Step)]

    for name, crf_weight in (("whole", 0.9), ("plain", 0.0)):
        assert isinstance(train(run(4, crf_weight), tmp_path / name), Finished)
    assert isinstance(train(run(2, 0.9), tmp_path / "parted"), Finished)
    assert isinstance(train(run(4, 0.9), tmp_path / "parted", resume=True), Finished)
    assert losses("parted") == pytest.approx(losses("whole"), rel=1e-6)
    saved = [load_checkpoint(tmp_path / name / "checkpoints/step-00000004.pt") for name in ("parted", "whole")]
    assert torch.equal(saved[0].phone_counts, saved[1].phone_counts)
    assert all(one != pytest.approx(other) for one, other in zip(losses("plain"), losses("whole"), strict=True))


def test_what_goes_on_from_it_keeps_it_and_counts_further(
    corpus: Path, tmp_path: Path, small_run: Build, train: Train, lexicon: Path
) -> None:
    """As a fine-tuning on a few corrections does: their few sentences alone would be a poor trigram."""
    first = small_run("finetune", f"ctc.lexicon={lexicon}", "ctc.crf_weight=0.9", "loop.updates=2")
    assert isinstance(train(first, tmp_path / "first"), Finished)
    again = (f"ctc.lexicon={lexicon}", f"ctc.checkpoint={tmp_path / 'first'}", "loop.updates=2")
    # A file by itself has no lexicon beside it: the phones are left behind.
    letters = small_run("finetune", f"ctc.checkpoint={tmp_path / 'first/checkpoints/best.pt'}", "loop.updates=2")
    for name, run in (("second", small_run("finetune", *again)), ("letters", letters)):
        assert isinstance(train(run, tmp_path / name), Finished)
    before, after, alone = (
        load_checkpoint(find_checkpoint(tmp_path / name)) for name in ("first", "second", "letters")
    )
    assert (before.config.ctc.crf_weight, after.config.ctc.crf_weight, alone.config.ctc.crf_weight) == (0.9, 0.9, 0.0)
    said = [Pronunciations(lexicon).encode(clip.transcript) for clip in read_manifest(corpus / "train.tsv")]
    counts = torch.from_numpy(count_phones(said, len(before.phones)))
    assert torch.equal(before.phone_counts, counts)
    assert torch.equal(after.phone_counts, 2 * counts)
    assert alone.phone_counts is None


def test_streamed_shards_are_counted_too(
    corpus: Path, tmp_path: Path, small_run: Build, train: Train, lexicon: Path
) -> None:
    clips, cuts = read_manifest(corpus / "train.tsv"), []
    for clip in clips:
        cut = lhotse.Recording.from_file(clip.path, recording_id=clip.path.stem).to_cut()
        span = {"recording_id": cut.id, "start": 0.0, "duration": cut.duration}
        cut.supervisions = [lhotse.SupervisionSegment(id=cut.id, text=clip.transcript, **span)]
        cuts.append(cut)
    (tmp_path / "shar").mkdir()
    lhotse.CutSet.from_cuts(cuts).to_shar(tmp_path / "shar", fields={"recording": "flac"}, shard_size=4)
    given = small_run("finetune", f"ctc.lexicon={lexicon}", "ctc.crf_weight=0.9", "loop.updates=1")
    streamed = replace(given, data=replace(given.data, train=(str(tmp_path / "shar"),), shards_per_epoch=100))
    assert isinstance(train(streamed, tmp_path / "run"), Finished)
    said = [Pronunciations(lexicon).encode(clip.transcript) for clip in clips]
    found = load_checkpoint(find_checkpoint(tmp_path / "run"))
    assert torch.equal(found.phone_counts, torch.from_numpy(count_phones(said, len(found.phones))))


def test_it_needs_phones(corpus: Path, tmp_path: Path, small_run: Build, train: Train) -> None:
    failed = train(small_run("finetune", "ctc.crf_weight=0.9"), tmp_path / "run")
    assert isinstance(failed, Failed)
    assert "ctc.lexicon" in failed.message
    with pytest.raises(ConfigError, match=r"ctc\.crf_weight"):
        small_run("finetune", "ctc.crf_weight=1.5")
