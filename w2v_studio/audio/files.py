"""Audio and video files of any kind as the model wants them: mono float32 at 16 kHz, whole or block by block."""

from __future__ import annotations

import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from w2v_studio.audio.containers import ContainerSource
from w2v_studio.audio.file_errors import AudioFileError, AudioFileWarning
from w2v_studio.audio.libsndfile import FileReadError, SoundFileSource, reason
from w2v_studio.audio.resample import StreamResampler

__all__ = ["AudioFile", "AudioFileError", "AudioFileWarning", "read_audio"]

RATES_HZ = (1000, 768_000)
"""Rates outside are not speech but a damaged header."""
LARGEST = 100.0
"""Larger samples are no sound at full scale 1, but float files that were scaled as integers."""
LEAST_OFFSET = 0.003
"""A mean of the first block (over a second) that is larger is an offset of the recording device. Speech has 0.0005 at
most; models that do not normalise their input misread twice as much from 0.01 on, and everything at 0.1."""


class AudioFile:
    """An open file. Raises AudioFileError, here or from `blocks`. Close it, or use it in a `with`.

    `duration_s` is what the header says, None where it says nothing; `warning` one sentence, once `blocks` has come to
    the end of a file that is cut or damaged, else "".
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.warning = ""
        self._source = _open(self.path)
        self.duration_s = self._source.duration_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Its samples at 16 kHz in order, once. Memory does not grow with the file. A constant offset is taken out."""
        resampler: StreamResampler | None = None
        offset = np.float32(0)
        try:
            for block in self._source.blocks():
                if resampler is None:
                    resampler = StreamResampler(self._checked_rate())
                    mean = block.mean()
                    offset = mean if abs(mean) > LEAST_OFFSET else offset
                yield resampler.feed(self._checked(block) - offset)
        except OSError as error:
            raise AudioFileError(f"{self.path} cannot be read on ({error.strerror or error}); copy it again") from error
        if resampler is None:
            raise AudioFileError(f"{self.path} holds no audio (0 samples); record or copy it again")
        yield resampler.flush()
        if self._source.shortfall:
            self.warning = f"{self.path} is {self._source.shortfall}; copy or record it again if you need the rest"

    def _checked_rate(self) -> float:
        rate_hz = self._source.rate_hz
        if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
            raise AudioFileError(
                f"{self.path} claims {rate_hz:g} samples a second, not {RATES_HZ[0]} to {RATES_HZ[1]}: its header is "
                f"damaged; copy or export it again"
            )
        return rate_hz

    def _checked(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        if not np.isfinite(block).all():
            raise AudioFileError(
                f"{self.path} holds samples that are not numbers (NaN or infinite); export it again as 16-bit"
            )
        largest = float(np.abs(block).max(initial=0))
        if largest > LARGEST:
            raise AudioFileError(
                f"{self.path} holds samples of {largest:.3g}, where full scale is 1; export it again as 16-bit"
            )
        return block


def read_audio(path: str | Path, on_warning: Callable[[str], None] | None = None) -> NDArray[np.float32]:
    """The whole file as mono float32 at 16 kHz, channels averaged. Raises AudioFileError.

    Of a cut or damaged file what is there; `on_warning` then gets a sentence (None: Python's warning AudioFileWarning).
    """
    with AudioFile(path) as file:
        waveform = np.concatenate(list(file.blocks()))
    if len(waveform) == 0:
        raise AudioFileError(f"{path} holds no audio (0 samples); record or copy it again")
    if file.warning:
        if on_warning is None:
            warnings.warn(file.warning, AudioFileWarning, stacklevel=2)
        else:
            on_warning(file.warning)
    return waveform


def _open(path: Path) -> SoundFileSource | ContainerSource:
    """By libsndfile, else by PyAV."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioFileError(f"{path} is a folder; give the audio files in it, or --recursive")
        if not stat.S_ISREG(status.st_mode):
            # Reading a pipe or a device might never come back.
            raise AudioFileError(f"{path} is a pipe or a device, not a file; save the sound to a file first")
        if status.st_size == 0:
            raise AudioFileError(f"{path} is empty (0 bytes); record or copy it again")
        with path.open("rb"):
            pass  # for the system's own reason, which the libraries keep for themselves
        try:
            return SoundFileSource(path)
        except FileReadError as error:
            return _open_container(path, reason(error))
    except FileNotFoundError as error:
        raise AudioFileError(f"there is no file {path}; check the name and the folder") from error
    except PermissionError as error:
        raise AudioFileError(f"{path} may not be read; change its permissions or copy it") from error
    except OSError as error:
        raise AudioFileError(f"{path} cannot be read ({error.strerror or error}); copy it again") from error


def _open_container(path: Path, why_not: str) -> ContainerSource:
    try:
        return ContainerSource(path)
    except AudioFileError as error:
        if "cannot be read as audio" in str(error):
            raise AudioFileError(f"{error} [libsndfile: {why_not}]") from error
        raise
