"""Audio files of any kind libsndfile reads (WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF ...), as the model wants them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from w2v_studio.audio.resample import SAMPLE_RATE, StreamResampler

READ_FRAMES = 1 << 16


class AudioFileError(ValueError):
    """A file that gives no audio. The message names the file, the reason and the remedy."""


def read_audio(path: str | Path) -> NDArray[np.float32]:
    """The whole file as mono float32 at 16 kHz, channels averaged. Raises AudioFileError."""
    path = Path(path)
    if path.is_dir():
        raise AudioFileError(f"{path} is a folder; give the audio files in it")
    try:
        if path.stat().st_size == 0:
            raise AudioFileError(f"{path} is empty (0 bytes); record or copy it again")
        with soundfile.SoundFile(path) as file:
            waveform = _read_all(file, path)
    except FileNotFoundError as error:
        raise AudioFileError(f"there is no file {path}; check the name and the folder") from error
    except PermissionError as error:
        raise AudioFileError(f"{path} may not be read; change its permissions or copy it") from error
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(
            f"{path} cannot be read as audio ({_reason(error)}); convert it to WAV, FLAC, Ogg or MP3"
        ) from error
    if len(waveform) == 0:
        raise AudioFileError(f"{path} holds no audio (0 samples); record or copy it again")
    if not np.isfinite(waveform).all():
        raise AudioFileError(f"{path} holds samples that are not numbers (NaN or infinite); export it again as 16-bit")
    return waveform


def _read_all(file: soundfile.SoundFile, path: Path) -> NDArray[np.float32]:
    """Block by block, so that an hour in stereo at 48 kHz never lies in memory as such."""
    resampler = StreamResampler(file.samplerate, SAMPLE_RATE)
    pieces = []
    frames = 0
    while True:
        try:
            block = file.read(READ_FRAMES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioFileError(
                f"{path} breaks off after {frames / file.samplerate:.1f} s ({_reason(error)}); "
                f"it is cut or damaged: copy or record it again"
            ) from error
        if len(block) == 0:
            break
        frames += len(block)
        pieces.append(resampler.feed(block.mean(axis=1, dtype=np.float32)))
    pieces.append(resampler.flush())
    return np.concatenate(pieces)


def _reason(error: Exception) -> str:
    """libsndfile's own words."""
    text: str = getattr(error, "error_string", None) or str(error)
    return text.removeprefix("Error : ").rstrip(".")
