import io

from engine.events import Evaluation, Finished, Started, Step
from engine.training.progress import ProgressDisplay, clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO) -> str:
    display = ProgressDisplay(stream)
    display(Started(1, "pretrain", {}, 0, 100, "cpu", "fp32", 3_000_000, 10, 3600.0))
    display.advanced(40)
    display(Step(40, 3.21, 1e-3, 55.4, 10.0, 309.0, accuracy=0.2, code_perplexity=40.0))
    display(Evaluation(40, None, wer=0.125, cer=0.05, samples=[["A B", "A"]]))
    display(Finished(41, "completed", "checkpoints/x.pt"))
    return stream.getvalue()


def test_a_terminal_gets_a_bar_with_the_measures() -> None:
    text = shown(Terminal())
    assert "40/100, loss 3.210  accuracy 20.0%  codes 40.0  55 audio-s/s  left 5:09" in text
    assert "\r" in text
    assert "WER 12.5%  CER 5.0%" in text
    assert text.endswith("\n")


def test_a_file_gets_plain_lines() -> None:
    text = shown(io.StringIO())
    assert "\r" not in text
    assert "40: loss 3.210  accuracy 20.0%" in text
    assert "loss not a number" in text
    assert "    said  A B\n    heard A\n" in text


def test_clock() -> None:
    assert [clock(seconds) for seconds in (5, 309, 3909)] == ["0:05", "5:09", "1:05:09"]
