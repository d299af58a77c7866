"""The training loop, of both tasks: read this first.

An update: a few micro-batches, their gradients summed and divided once by all masked frames (or sentences) together,
then AdamW. Around it: events, evaluation, checkpoints, and the wish to stop, looked for after every update.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.config import RunConfig
from engine.data.read_ahead import BatchStream
from engine.events import CheckpointSaved, Evaluation, Finished, Step, Warned
from engine.training.checkpoint import Checkpoint
from engine.training.losses import gumbel_temperature
from engine.training.meter import Meter
from engine.training.objectives import Contribution, Objective, is_collapsed
from engine.training.optimizer import clip_gradients, divide_gradients, learning_rate
from engine.training.run_folder import RunFolder

CLIPS_NAMED = 4


class TrainingError(RuntimeError):
    """The run cannot go on. The message says why and what to change."""


@dataclass
class Progress:
    """How far the run is; all of it is saved in checkpoints."""

    step: int = 0
    elapsed_s: float = 0.0
    audio_s: float = 0.0
    best: float = float("inf")


@dataclass
class Trainer:
    """One run, ready to go. `train` is the loop; what is below it serves it, in the order of its use."""

    run: RunConfig
    folder: RunFolder
    objective: Objective
    optimizer: torch.optim.Optimizer
    stream: BatchStream[Any]
    valid: Callable[[], Iterable[Any]] | None
    progress: Progress
    stop_signalled: Callable[[], bool]
    on_update: Callable[[int], None] = lambda _step: None
    codebook_trained: bool = True

    def train(self) -> Finished:
        """Updates until the run is complete, its time is over, or somebody wants it to stop."""
        loop, progress = self.run.loop, self.progress
        self._meter, self._evaluated, self._saved, self._collapse_told = Meter(), -1, "", False
        self._began, self._first_step, self._elapsed_before = time.monotonic(), progress.step, progress.elapsed_s
        self.objective.model.train()
        reason = self._ended()
        while reason is None:
            rate = self._learning_rate()
            norm = self._update(rate)
            progress.step += 1
            progress.elapsed_s = self._elapsed_s()
            self._meter.add_update(norm)
            self.on_update(progress.step)
            reason = self._ended()
            if progress.step % loop.log_every == 0 or reason:
                self._tell(self._step_event(rate))
            if progress.step % loop.evaluate_every == 0 or reason in ("completed", "time_limit"):
                self._evaluate()
            if progress.step % loop.checkpoint_every == 0 or reason:
                self._save()
        if not self._saved:  # stopped before the first update of this process
            self._save()
        finished = Finished(step=progress.step, reason=reason, checkpoint=self._saved)
        self.folder.emit(finished)
        return finished

    def _ended(self) -> str | None:
        """Why no further update follows; None where one does."""
        loop = self.run.loop
        if self.progress.step >= loop.updates:
            return "completed"
        if self.stop_signalled() or self.folder.stop_wanted():
            return "stopped"
        if 0 < loop.time_limit_s <= self._elapsed_s():
            return "time_limit"
        return None

    def _elapsed_s(self) -> float:
        return self._elapsed_before + time.monotonic() - self._began

    def _learning_rate(self) -> float:
        """By updates; where the time is limited and runs ahead of them, by the clock, but for the warm-up.

        A warm-up of a few slow updates would be none: AdamW needs updates, not seconds, to know its averages.
        """
        loop = self.run.loop
        done = float(max(self.progress.step, 1))
        rate = learning_rate(done, loop.updates, self.run.optimizer)
        if loop.time_limit_s <= 0:
            return rate
        by_clock = loop.updates * self._elapsed_s() / loop.time_limit_s
        if by_clock <= done:
            return rate
        by_clock_rate = learning_rate(by_clock, loop.updates, self.run.optimizer)
        return min(rate, by_clock_rate) if done < loop.updates * self.run.optimizer.warmup else by_clock_rate

    def _update(self, rate: float) -> Tensor:
        """One optimizer update; returns the norm of its gradient before clipping."""
        self.objective.begin(self.progress.step)
        self.optimizer.zero_grad(set_to_none=True)
        parts: list[tuple[Contribution, list[str]]] = []
        for _ in range(self.run.loop.accumulate):
            batch = self.stream.take()
            part = self.objective.contribution(batch, self.progress.step)
            part.loss.backward()  # type: ignore[no-untyped-call]
            self._meter.add_part(part, batch.audio_s)
            self.progress.audio_s += batch.audio_s
            parts.append((part, batch.origins))
        parameters = list(self.objective.model.parameters())
        divide_gradients(parameters, sum(part.count for part, _ in parts))
        norm = clip_gradients(parameters, self.run.optimizer.clip_norm)
        self._refuse_infinite(parts, norm)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return norm

    def _refuse_infinite(self, parts: list[tuple[Contribution, list[str]]], norm: Tensor) -> None:
        """Weights must not take in NaN: the last checkpoint stays good."""
        if torch.isfinite(norm):
            return
        losses = [part.loss.detach() for part, _ in parts]
        bad = [place for place, loss in enumerate(losses) if not torch.isfinite(loss)] or list(range(len(parts)))
        clips = [origin for place in bad for origin in parts[place][1]]
        named = ", ".join(clips[:CLIPS_NAMED]) + (
            f" and {len(clips) - CLIPS_NAMED} more" if len(clips) > CLIPS_NAMED else ""
        )
        what = "gradient" if all(torch.isfinite(loss) for loss in losses) else "loss"
        raise TrainingError(
            f"the {what} of update {self.progress.step + 1} is not a finite number, in the clips {named}: lower "
            "optimizer.peak_lr or set optimizer.clip_norm, and resume from the last checkpoint"
        )

    def _tell(self, event: Step) -> None:
        """Emit the event, and say it once when the numbers look well because nothing is left to tell apart."""
        self.folder.emit(event)
        if is_collapsed(event.code_perplexity, self.run) and not self._collapse_told:
            self._collapse_told = True
            message = (
                f"the codebook has collapsed: code perplexity {event.code_perplexity:.2f} means that one code "
                "stands for everything, so a loss near 0 means nothing; begin again with a lower optimizer.peak_lr, "
                "more audio in an update (loop.batch_s, loop.accumulate) or objective.center_codes=true"
            )
            self.folder.emit(Warned(message=message, step=event.step))

    def _step_event(self, rate: float) -> Step:
        loop, progress = self.run.loop, self.progress
        here = max(progress.step - self._first_step, 1)
        eta_s = (loop.updates - progress.step) * (progress.elapsed_s - self._elapsed_before) / here
        if loop.time_limit_s > 0:
            eta_s = min(eta_s, max(0.0, loop.time_limit_s - progress.elapsed_s))
        pretraining = self.run.task == "pretrain"
        temperature = gumbel_temperature(progress.step - 1, self.run.objective) if pretraining else None
        return self._meter.event(progress.step, rate, progress.elapsed_s, eta_s, temperature, progress.audio_s)

    def _evaluate(self) -> None:
        """A pass over the valid manifests; the best weights so far go to best.pt."""
        if self.valid is None or self._evaluated == self.progress.step:
            return
        began = time.monotonic()
        self._evaluated = self.progress.step
        evaluation: Evaluation = self.objective.evaluate(self.valid(), self.progress.step)
        self.folder.emit(evaluation)
        score = self.objective.score(evaluation)
        if score < self.progress.best:
            self.progress.best = score
            path = self.folder.save_best(self._checkpoint())
            self.folder.emit(CheckpointSaved(step=self.progress.step, path=self.folder.relative(path), best=True))
        self._meter.pause(time.monotonic() - began)

    def _save(self) -> None:
        began = time.monotonic()
        self.progress.elapsed_s = self._elapsed_s()
        path = self.folder.save(self._checkpoint(), self.run.loop.keep_checkpoints)
        self._saved = self.folder.relative(path)
        self.folder.emit(CheckpointSaved(step=self.progress.step, path=self._saved))
        self._meter.pause(time.monotonic() - began)

    def _checkpoint(self) -> Checkpoint:
        progress, position = self.progress, self.stream.position
        return Checkpoint(
            config=self.run,
            step=progress.step,
            model=self.objective.model.state_dict(),
            vocabulary=self.objective.vocabulary,
            training={
                "optimizer": self.optimizer.state_dict(),
                "epoch": position.epoch,
                "batch": position.index,
                "elapsed_s": progress.elapsed_s,
                "audio_s": progress.audio_s,
                "best": progress.best,
                "torch_rng": torch.get_rng_state(),
                "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            },
            run=self.folder.path.name,
            codebook_trained=self.codebook_trained,
        )
