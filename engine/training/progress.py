"""What a person sees in the terminal: a bar with the measures, or plain lines where standard error is no terminal."""

from __future__ import annotations

import shutil
import sys
from typing import TextIO

from tqdm import tqdm

from engine.events import CheckpointSaved, Evaluation, Event, Finished, Started, Step, Warned


def clock(seconds: float) -> str:
    """1:05:09 or 5:09."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def measures(event: Step) -> str:
    """`loss 3.21  accuracy 24 %  codes 41  53 s/s  left 5:09`."""
    parts = [f"loss {event.loss:.3f}" if event.loss is not None else "loss not a number"]
    if event.accuracy is not None:
        parts.append(f"accuracy {event.accuracy:.1%}")
    if event.code_perplexity is not None:
        parts.append(f"codes {event.code_perplexity:.1f}")
    parts += [f"{event.throughput:.0f} audio-s/s", f"left {clock(event.eta_s)}"]
    return "  ".join(parts)


def evaluation_line(event: Evaluation) -> str:
    """`valid at 200: loss 3.2  accuracy 24.0%` or with word and character error rates."""
    parts = [f"loss {event.loss:.3f}" if event.loss is not None else "loss not a number"]
    if event.accuracy is not None:
        parts.append(f"accuracy {event.accuracy:.1%}")
    if event.code_perplexity is not None and event.prob_perplexity is not None:
        parts.append(f"code perplexity {event.code_perplexity:.1f} (soft {event.prob_perplexity:.1f})")
    if event.wer is not None and event.cer is not None:
        parts.append(f"WER {event.wer:.1%}  CER {event.cer:.1%}")
    if event.per is not None:
        parts.append(f"phones {event.per:.1%}")
    return f"valid at {event.step}: " + "  ".join(parts)


class ProgressDisplay:
    """A listener of a run's events. `advanced` moves the bar after each update."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._bar: tqdm | None = None

    def advanced(self, step: int) -> None:
        """Move the bar to `step`."""
        if self._bar is not None:
            self._bar.update(step - self._bar.n)

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Started):
            self._begin(event)
        elif isinstance(event, Step):
            if self._bar is not None:
                self._bar.set_postfix_str(measures(event), refresh=True)
            else:
                self._say(f"{event.step}: {measures(event)}  rate {event.learning_rate:.2e}")
        elif isinstance(event, Evaluation):
            self._say(evaluation_line(event))
            for reference, hypothesis in event.samples[:2]:
                self._say(f"    said  {reference}\n    heard {hypothesis}")
        elif isinstance(event, Warned):
            self._say(f"warning: {event.message}")
        elif isinstance(event, CheckpointSaved) and self._bar is None:
            self._say(f"saved {event.path}")
        elif isinstance(event, Finished):
            self.close()

    def _begin(self, event: Started) -> None:
        self._say(
            f"{event.task}: {event.train_clips} clips, {event.train_s / 3600:.2f} h; {event.parameters / 1e6:.2f} M "
            f"parameters on {event.device}, {event.precision}"
        )
        if self._stream.isatty():
            size = shutil.get_terminal_size((120, 24))  # tqdm hides its bar where a terminal says it has 0 x 0
            self._bar = tqdm(
                total=event.updates,
                initial=event.step,
                unit="update",
                file=self._stream,
                ncols=size.columns,
                nrows=size.lines,
                bar_format="{percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt}{postfix}",
            )

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=self._stream)
        else:
            print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """End the bar; it stays on the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
