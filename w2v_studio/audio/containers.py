"""The first sound track of video files and of containers that libsndfile does not read, by PyAV (FFmpeg).

Silence is put where the track starts after the picture or has a gap, so that times are those of the video.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2v_studio.audio.file_errors import AudioFileError

FORMATS = (
    "aac ac3 aiff alaw amr ape asf au avi caf dsf dts dv eac3 flac flv gsm live_flv loas m4v matroska,webm mka "
    "mov,mp4,m4a,3gp,3g2,mj2 mp2 mp3 mpeg mpegts mpegvideo mulaw mxf nut ogg oma rm shn sox spdif swf tak truehd tta "
    "voc w64 wav webm wtv wv"
)
"""FFmpeg's readers of sound and video; not those of playlists, which would open further files and addresses."""
GAP_S = 0.1
"""Gaps in the time stamps below this are rounding."""
SHORT_BY_S = 1.0
"""A track may end so much before the container, as the picture may be the longer one."""
SILENCE_BLOCK = 1 << 16


class ContainerSource:
    """Mono samples of the first sound track at its own rate. Raises AudioFileError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shortfall = ""
        """After `blocks`: why there is less than the file promised, "" where all is there."""
        av = _library(path)
        self._errors = (av.error.FFmpegError, ValueError, RuntimeError)
        with ExitStack() as undo:
            file = undo.enter_context(path.open("rb"))
            options = {"format_whitelist": ",".join(FORMATS.split())}
            try:
                self._container: Any = undo.enter_context(av.open(file, options=options, metadata_errors="ignore"))
            except self._errors as error:
                raise AudioFileError(_unreadable(path, error)) from error
            if not self._container.streams.audio:
                raise AudioFileError(f"{path} has no sound track; choose a file with sound")
            self._track = self._container.streams.audio[0]
            if self._track.codec_context is None:
                raise AudioFileError(f"{path} has a sound track of an unknown kind; convert it to WAV, FLAC or MP3")
            self.rate_hz = float(self._track.rate or 0)
            self._resources = undo.pop_all()
        length = self._container.duration
        self.duration_s: float | None = None if not length or length < 0 else length / av.time_base
        self._start_s = (self._container.start_time or 0) / av.time_base
        self._convert: Any = None
        self._converts: tuple[Any, ...] = ()

    def close(self) -> None:
        """Close the file."""
        self._resources.close()

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Channels averaged, float32; a file that breaks off gives what comes before the break."""
        samples = 0
        for frame in self._frames():
            gap = self._gap(frame, samples)
            while gap > 0:
                silence = np.zeros(min(gap, SILENCE_BLOCK), np.float32)
                gap -= len(silence)
                samples += len(silence)
                yield silence
            for block in self._mono(frame):
                samples += len(block)
                yield block
        for block in self._rest():
            samples += len(block)
            yield block
        if samples == 0:
            return
        seconds = samples / self.rate_hz
        video = self._container.streams.video
        if not self.shortfall and not video and self.duration_s and self.duration_s - seconds > SHORT_BY_S:
            self.shortfall = f"cut: {seconds:.1f} s of {self.duration_s:.1f} s are there"

    def _frames(self) -> Iterator[Any]:
        """Decoded frames; a packet that cannot be decoded is passed over."""
        packets = self._container.demux(self._track)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._errors as error:
                self.shortfall = f"damaged or cut ({_words(error)}); what comes before is used"
                return
            try:
                yield from packet.decode()
            except self._errors as error:
                self.shortfall = f"damaged ({_words(error)}); silence stands for what cannot be read"

    def _gap(self, frame: Any, samples: int) -> int:
        """Samples of silence that belong before `frame`."""
        if frame.time is None or not self.rate_hz:
            return 0
        gap_s: float = frame.time - self._start_s - samples / self.rate_hz
        # Time stamps beyond the container's own length are nonsense.
        if gap_s < GAP_S or frame.time - self._start_s > (self.duration_s or 0) + SHORT_BY_S:
            return 0
        return round(gap_s * self.rate_hz)

    def _mono(self, frame: Any) -> Iterator[NDArray[np.float32]]:
        """The frame as float at the track's rate; some tracks change rate or channels on the way."""
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._converts:
            yield from self._rest()
            import av

            if not self.rate_hz:
                self.rate_hz = float(frame.sample_rate)
            self._converts = kind
            self._convert = av.AudioResampler(format="fltp", layout=frame.layout, rate=round(self.rate_hz))
        yield from map(_mean, self._convert.resample(frame))

    def _rest(self) -> Iterator[NDArray[np.float32]]:
        """What the converter holds back."""
        if self._convert is not None:
            yield from map(_mean, self._convert.resample(None))
            self._convert = None


def _mean(frame: Any) -> NDArray[np.float32]:
    result: NDArray[np.float32] = frame.to_ndarray().mean(axis=0, dtype=np.float32)
    return result


def _library(path: Path) -> Any:
    try:
        import av
    except ImportError as error:
        raise AudioFileError(
            f"{path} is no file that libsndfile reads, and PyAV, which reads video and other files, cannot be loaded "
            f"({error}): pip install av, or convert the file to WAV, FLAC, Ogg or MP3"
        ) from error
    return av


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} cannot be read as audio ({_words(error)}); convert it to WAV, FLAC, Ogg or MP3"


def _words(error: Exception) -> str:
    """FFmpeg's own words, without the name that it was given."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0]
