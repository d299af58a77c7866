"""Less memory, compiled, mixed precision, read ahead: the same training."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from engine.config import RunConfig
from engine.data.audio import AudioCache
from engine.data.batches import FinetuningCollator, PretrainingCollator
from engine.data.examples import plan_examples
from engine.data.manifest import read_manifest
from engine.events import Evaluation, Failed, Finished, Step, Warned
from engine.model.context_network import ContextNetwork, EncoderLayer
from engine.text.vocabulary import Vocabulary
from engine.training import efficiency
from engine.training.noise import KeyedNoise
from engine.training.optimizer import build_optimizer
from engine.training.prefetch import PlacedBatch, Prefetch, place
from engine.training.session import build_learner

Build = Callable[..., RunConfig]
Train = Callable[..., Finished | Failed]
Told = Callable[..., list[Any]]


def batch_of(run: RunConfig, corpus: Path, rows: int = 4) -> Any:
    examples = plan_examples([read_manifest(corpus / "train.tsv")], run.data, 1, 0)[10 : 10 + rows]
    if run.task == "pretrain":
        return PretrainingCollator(run, AudioCache(), True)(examples, 0, 0)
    return FinetuningCollator(run, AudioCache(), True, Vocabulary.english())(examples, 0, 0)


def losses(told: Told, folder: Path) -> list[float]:
    return [event.loss for event in told(folder, Step)]


def test_layers_computed_again_give_the_same_run(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    """Dropout and LayerDrop are on: the second time they must fall as the first."""
    for name in ("false", "true"):
        train(small_run("pretrain", f"loop.activation_checkpointing={name}"), tmp_path / name)
    assert losses(told, tmp_path / "true") == losses(told, tmp_path / "false")


@pytest.mark.parametrize("task", ["pretrain", "finetune"])
def test_activation_checkpointing_keeps_fewer_numbers(task: str, corpus: Path, small_run: Build) -> None:
    run = small_run(task, "model.layers=8", "dropout.layerdrop=0")
    learner = build_learner(run)
    batch, kept = batch_of(run, corpus), {}
    for network in learner.objective.model.modules():
        if isinstance(network, ContextNetwork):
            for again in (False, True):
                network.checkpoint_activations = again
                sizes: list[int] = []
                hooks = torch.autograd.graph.saved_tensors_hooks(
                    lambda tensor, into=sizes: into.append(tensor.numel()) or tensor,  # type: ignore[func-returns-value,misc]
                    lambda tensor: tensor,
                )
                with hooks:
                    learner.objective.contribution(batch, 0)
                kept[again] = sum(sizes)
    assert kept[True] < 0.6 * kept[False]


@pytest.mark.skipif(shutil.which("c++") is None and shutil.which("g++") is None, reason="no C++ compiler")
def test_compiled_layers_learn_the_same(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    """One compiled code for all sizes; a micro-batch of a single row would need another, and take longer here."""
    plain = ("dropout.dropout=0", "dropout.attention=0", "loop.updates=3", "loop.batch_s=6", "loop.evaluate_every=9")
    for name in ("off", "on"):
        train(small_run("pretrain", f"loop.compile={name}", *plain), tmp_path / name)
    assert told(tmp_path / "on", Warned) == []
    assert losses(told, tmp_path / "on") == pytest.approx(losses(told, tmp_path / "off"), rel=1e-5)


def test_a_compiler_that_fails_is_told_and_done_without(
    tmp_path: Path, small_run: Build, train: Train, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any, **_options: Any) -> Any:
        def call(*_inputs: Any) -> Any:
            raise RuntimeError("no working C++ compiler was found\nlong trace")

        return call

    monkeypatch.setattr(efficiency.torch, "compile", broken)
    for name in ("off", "on"):
        train(small_run("pretrain", f"loop.compile={name}", "loop.updates=2"), tmp_path / name)
    (warning,) = told(tmp_path / "on", Warned)
    assert "no working C++ compiler was found" in warning.message
    assert "loop.compile=off" in warning.message
    assert "long trace" not in warning.message
    assert losses(told, tmp_path / "on") == losses(told, tmp_path / "off")


def test_auto_compiles_on_a_gpu_only(small_run: Build) -> None:
    loop = small_run("pretrain", "loop.compile=auto").loop
    assert efficiency.wants_compile(loop, torch.device("cuda"))
    assert not efficiency.wants_compile(loop, torch.device("cpu"))


@pytest.mark.parametrize("task", ["pretrain", "finetune"])
def test_losses_are_float32_and_close_under_bfloat16(task: str, corpus: Path, small_run: Build) -> None:
    quiet = ("dropout.layerdrop=0", "dropout.dropout=0", "dropout.attention=0", "dropout.input=0", "dropout.features=0")
    run = small_run(task, *quiet)
    batch, found = batch_of(run, corpus), {}
    for precision in ("fp32", "bf16"):
        objective = build_learner(small_run(task, *quiet, f"loop.precision={precision}")).objective
        seen: list[torch.dtype] = []
        for module in objective.model.modules():
            if isinstance(module, EncoderLayer):
                module.register_forward_hook(lambda _m, _i, y, into=seen: into.append(y.dtype))  # type: ignore[misc]
        KeyedNoise(objective.model, 1).begin(0, 0)
        objective.model.eval()  # no Gumbel noise: a code that flips would change the loss by more than rounding
        part = objective.contribution(batch, 0)
        assert part.loss.dtype == torch.float32
        objective.model.train()
        trained = objective.contribution(batch, 0)
        assert trained.loss.dtype == torch.float32
        trained.loss.backward()  # type: ignore[no-untyped-call]
        grads = [p.grad for p in objective.model.parameters() if p.grad is not None]
        assert all(grad.dtype == torch.float32 and bool(torch.isfinite(grad).all()) for grad in grads)
        found[precision] = float(part.loss.detach()) / part.count
        linear = [name for name, _ in objective.model.named_parameters() if "intermediate_dense" in name]
        assert linear
    assert found["bf16"] == pytest.approx(found["fp32"], rel=3e-2)
    assert found["bf16"] != found["fp32"]


def test_attention_is_torchs_own(corpus: Path, small_run: Build) -> None:
    """On a GPU always; on a CPU where no attention probability is dropped (engine/model/cpu/attention.py)."""
    run = small_run("pretrain", "dropout.layerdrop=0", "dropout.attention=0")
    objective, batch = build_learner(run).objective, batch_of(run, corpus)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        objective.contribution(batch, 0)
    calls = {event.key: event.count for event in seen.key_averages()}
    assert calls["aten::scaled_dot_product_attention"] == run.model.layers


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_adam_is_fused(device: str, small_run: Build) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = torch.nn.Linear(2, 2, device=device)
    assert build_optimizer(model, small_run("pretrain").optimizer, torch.device(device)).defaults["fused"]


def test_batches_are_taken_ahead_in_order_and_placed_once(small_run: Build, corpus: Path) -> None:
    batch, given = batch_of(small_run("finetune"), corpus), []

    def take() -> Any:
        given.append(len(given))
        return batch

    prefetch = Prefetch(take, torch.device("cpu"), ahead=2)
    first = prefetch.take()
    assert given == [0, 1, 2]
    assert isinstance(first, PlacedBatch)
    assert place(first, torch.device("cpu")) is first
    assert set(first.tensors) == {"waveform", "lengths", "targets", "target_lengths", "time_mask"}
    assert np.array_equal(first.tensors["waveform"].numpy(), batch.waveform)
    prefetch.take()
    assert given == [0, 1, 2, 3]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gets_pinned_copies_two_ahead_and_learns_the_same(
    tmp_path: Path, small_run: Build, train: Train, told: Told
) -> None:
    same = ("loop.precision=fp32", "dropout.layerdrop=0", "dropout.dropout=0", "dropout.attention=0", "dropout.input=0")
    for device in ("cpu", "cuda"):
        train(small_run("finetune", f"loop.device={device}", *same), tmp_path / device)
    assert losses(told, tmp_path / "cuda") == pytest.approx(losses(told, tmp_path / "cpu"), rel=1e-3)


def test_noise_depends_on_the_update_and_the_micro_batch_alone(small_run: Build) -> None:
    models = [build_learner(small_run("pretrain", f"loop.seed={seed}")).objective.model for seed in (1, 1, 2)]
    noises = [KeyedNoise(model, seed) for model, seed in zip(models, (1, 1, 2), strict=True)]

    def drawn(noise: KeyedNoise, model: Any, step: int, micro_batch: int) -> tuple[list[float], list[float]]:
        noise.begin(step, micro_batch)
        network = model.wav2vec2.encoder
        return torch.rand(3).tolist(), torch.rand(3, generator=network.layerdrop_generator).tolist()

    first, again = (drawn(noises[place], models[place], 5, 1) for place in (0, 1))
    assert first == again
    others = [drawn(noises[0], models[0], 5, 2), drawn(noises[0], models[0], 6, 1), drawn(noises[2], models[2], 5, 1)]
    assert all(other[0] != first[0] for other in others)
    # one choice of layers for all micro-batches of an update
    assert [other[1] == first[1] for other in others] == [True, False, False]


def test_a_pass_is_measured_as_a_whole(corpus: Path, small_run: Build) -> None:
    """Accuracy, loss and both perplexities against a recomputation in float64 from the network's own parts."""
    run = small_run("pretrain", "dropout.layerdrop=0")
    objective = build_learner(run).objective
    collate = PretrainingCollator(run, AudioCache(), training=False)
    examples = plan_examples([read_manifest(corpus / "train.tsv")], run.data, 1, 0)
    batches = [collate(examples[start:end], 0, start) for start, end in ((0, 1), (1, 4), (4, 11), (11, 20))]
    evaluation: Evaluation = objective.evaluate(batches, 0)
    model = objective.model.double().eval()
    soft, hard, loss, right, frames = np.zeros((2, 8)), np.zeros((2, 8)), 0.0, 0, 0
    with torch.no_grad():
        for batch in batches:
            waveform, mask = torch.from_numpy(batch.waveform).double(), torch.from_numpy(batch.time_mask)
            output = model.wav2vec2(waveform, time_mask=mask)
            logits = model.quantizer.weight_proj(output.latents[mask]).view(-1, 2, 8).numpy()
            share = np.exp(logits - logits.max(axis=-1, keepdims=True))
            soft += (share / share.sum(axis=-1, keepdims=True)).sum(axis=0)
            codes = logits.argmax(axis=-1)
            for group in range(2):
                hard[group] += np.bincount(codes[:, group], minlength=8)
            book = model.quantizer.codevectors.view(2, 8, -1)
            chosen = torch.cat([book[group][torch.from_numpy(codes[:, group])] for group in range(2)], dim=-1)
            rows, count = batch.distractors.shape[:2]
            q = model.project_q(chosen).view(rows, count, -1).numpy()
            c = model.project_hid(output.contexts[mask]).view(rows, count, -1).numpy()
            codes = codes.reshape(rows, count, 2)
            for row in range(rows):
                for frame in range(count):
                    others = batch.distractors[row, frame]
                    others = others[(codes[row, others] != codes[row, frame]).any(axis=-1)]
                    targets = np.concatenate((q[row, frame][None], q[row, others]))
                    cosines = targets @ c[row, frame] / np.linalg.norm(targets, axis=-1)
                    cosines = cosines / np.linalg.norm(c[row, frame]) / 0.1
                    loss += float(np.log(np.exp(cosines - cosines[0]).sum()))
                    right += len(cosines) == 1 or bool((cosines[1:] < cosines[0]).all())
                    frames += 1

    def perplexity(counts: Any) -> float:
        shares = counts / frames
        return float(np.exp(-(shares * np.log(shares + 1e-7)).sum(axis=-1)).sum())

    assert evaluation.loss == pytest.approx(loss / frames, rel=1e-4)
    assert evaluation.accuracy == pytest.approx(right / frames, abs=2e-3)
    assert evaluation.prob_perplexity == pytest.approx(perplexity(soft), rel=1e-5)
    assert evaluation.code_perplexity == pytest.approx(perplexity(hard), rel=1e-3)
