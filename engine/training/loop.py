"""The training loop, of both tasks: read this first.

An update: a few micro-batches, shared by all processes (engine/training/update_plan.py), their gradients summed and
divided once by all masked frames (or sentences) together, then AdamW. Around it: events, evaluation, checkpoints, and
the wish to stop, looked for after every update.
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
from engine.events import CheckpointSaved, Evaluation, Finished, Warned
from engine.training.checkpoint import Checkpoint
from engine.training.doctor import Doctor, named_clips
from engine.training.losses import gumbel_temperature
from engine.training.meter import Meter, Reading
from engine.training.noise import KeyedNoise
from engine.training.objectives import Contribution, Objective
from engine.training.optimizer import clip_gradients, divide_gradients, learning_rate
from engine.training.parallel import Parallel
from engine.training.prefetch import Prefetch
from engine.training.run_folder import RunFolder
from engine.training.suspects import find_suspects
from engine.training.update_plan import UpdatePlan, places_of
from engine.training.world import World


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
    plan: UpdatePlan
    valid: Callable[[], Iterable[Any]] | None
    progress: Progress
    stop_signalled: Callable[[], bool]
    device: torch.device
    world: World
    parallel: Parallel
    on_update: Callable[[int], None] = lambda _step: None
    codebook_trained: bool = True

    def train(self) -> Finished:
        """Updates until the run is complete, its time is over, or somebody wants it to stop."""
        loop, progress = self.run.loop, self.progress
        self._meter, self._doctor, self._evaluated, self._saved = Meter(self.world), Doctor(self.run), -1, ""
        self._noise = KeyedNoise(self.objective.model, loop.seed)
        self._batches = Prefetch(self.stream.take, self.device)
        self._began, self._first_step, self._elapsed_before = time.monotonic(), progress.step, progress.elapsed_s
        self.objective.model.train()
        reason = self._ended()
        while reason is None:
            rate = self._learning_rate()
            norm = self._update(rate)
            progress.step += 1
            self._meter.add_update(norm)
            self.on_update(progress.step)
            reason = self._ended()
            if progress.step % loop.log_every == 0 or reason:
                self._tell(self._read(rate))
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
        """Why no further update follows; None where one does. All processes come to the same answer.

        The time is the first process's; the wish to stop may reach any of them.
        """
        loop, progress = self.run.loop, self.progress
        wished = self.stop_signalled() or self.folder.stop_wanted()
        progress.elapsed_s, wishes = self.world.total([self._elapsed_s() if self.world.is_first else 0.0, wished])
        if progress.step >= loop.updates:
            return "completed"
        if wishes:
            return "stopped"
        if 0 < loop.time_limit_s <= progress.elapsed_s:
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
        by_clock = loop.updates * self.progress.elapsed_s / loop.time_limit_s
        if by_clock <= done:
            return rate
        by_clock_rate = learning_rate(by_clock, loop.updates, self.run.optimizer)
        return min(rate, by_clock_rate) if done < loop.updates * self.run.optimizer.warmup else by_clock_rate

    def _update(self, rate: float) -> Tensor:
        """One optimizer update; returns the norm of its gradient before clipping."""
        step, loop = self.progress.step, self.run.loop
        self.objective.begin(step)
        self.parallel.begin()
        self.optimizer.zero_grad(set_to_none=True)
        parts: list[tuple[Contribution, list[str]]] = []
        audio_s = 0.0
        places = places_of(self.world, loop.accumulate)
        for place in places:
            placed = self._batches.take()
            self._noise.begin(step, place)
            with self.parallel.micro_batch(place == places[-1]):
                part = self.objective.contribution(placed, step)
                part.loss.backward()  # type: ignore[no-untyped-call]
            self._meter.add_part(part, placed.batch.audio_s)
            audio_s += placed.batch.audio_s
            parts.append((part, placed.batch.origins))
        count, audio_s = self.world.total([sum(part.count for part, _ in parts), audio_s])
        self.progress.audio_s += audio_s
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        divide_gradients(parameters, count / self.parallel.gradient_scale)
        norm = clip_gradients(parameters, self.run.optimizer.clip_norm)
        self._refuse_infinite(parts, norm)
        self._warn(self._doctor.examine_update(step + 1, float(norm), [clip for _, clips in parts for clip in clips]))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return norm

    def _refuse_infinite(self, parts: list[tuple[Contribution, list[str]]], norm: Tensor) -> None:
        """Weights must not take in NaN: the last checkpoint stays good."""
        if torch.isfinite(norm):
            return
        suspects = self.world.gather(find_suspects(parts))
        what = next((suspect.what for suspect in suspects if suspect.what != "gradient"), "gradient")
        clips = [clip for suspect in suspects if suspect.what == what for clip in suspect.clips]
        raise TrainingError(
            f"the {what} of update {self.progress.step + 1} is not a finite number, in the clips {named_clips(clips)}: "
            "lower optimizer.peak_lr or set optimizer.clip_norm, and resume from the last checkpoint; listen to these "
            "clips if it happens again"
        )

    def _tell(self, reading: Reading) -> None:
        """Emit the event, and what the doctor finds in it."""
        self.folder.emit(reading.event)
        self._warn(self._doctor.examine(reading.event, reading.signs, reading.updates, reading.count))

    def _warn(self, messages: Iterable[str]) -> None:
        for message in messages:
            self.folder.emit(Warned(message=message, step=self.progress.step))

    def _read(self, rate: float) -> Reading:
        loop, progress = self.run.loop, self.progress
        here = max(progress.step - self._first_step, 1)
        eta_s = (loop.updates - progress.step) * (progress.elapsed_s - self._elapsed_before) / here
        if loop.time_limit_s > 0:
            eta_s = min(eta_s, max(0.0, loop.time_limit_s - progress.elapsed_s))
        pretraining = self.run.task == "pretrain" and not self.run.objective.spectra
        temperature = gumbel_temperature(progress.step - 1, self.run.objective) if pretraining else None
        return self._meter.read(progress.step, rate, progress.elapsed_s, eta_s, temperature, progress.audio_s)

    def _evaluate(self) -> None:
        """A pass over the valid manifests; the best weights so far go to best.pt."""
        if self.valid is None or self._evaluated == self.progress.step:
            return
        began = time.monotonic()
        self._evaluated = self.progress.step
        evaluation: Evaluation = self.objective.evaluate(self.valid(), self.progress.step, self.world)
        self.parallel.evaluated()
        self.folder.emit(evaluation)
        score = self.objective.score(evaluation)
        if score < self.progress.best:
            self.progress.best = score
            path = self.folder.save_best(self._checkpoint())
            self.folder.emit(CheckpointSaved(step=self.progress.step, path=self.folder.relative(path), best=True))
        self._meter.pause(time.monotonic() - began)

    def _save(self) -> None:
        began = time.monotonic()
        path = self.folder.save(self._checkpoint(), self.run.loop.keep_checkpoints)
        self._saved = self.folder.relative(path)
        self.folder.emit(CheckpointSaved(step=self.progress.step, path=self._saved))
        self._meter.pause(time.monotonic() - began)

    def _checkpoint(self) -> Checkpoint:
        """All that is needed to go on; only in the first process are all weights in it."""
        progress, position = self.progress, self.plan.start_of(self.progress.step)
        whole = self.parallel.whole
        return Checkpoint(
            config=self.run,
            step=progress.step,
            model=whole(self.objective.model.state_dict()),
            vocabulary=self.objective.vocabulary,
            phones=() if self.objective.pronunciations is None else self.objective.pronunciations.phones,
            phone_counts=self.objective.phone_counts,
            training={
                "optimizer": whole(self.optimizer.state_dict()),
                "epoch": position.epoch,
                "batch": position.index,
                "elapsed_s": progress.elapsed_s,
                "audio_s": progress.audio_s,
                "best": progress.best,
            },
            run=self.folder.path.name,
            codebook_trained=self.codebook_trained,
        )
