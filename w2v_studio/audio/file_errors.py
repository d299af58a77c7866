"""What can be wrong with an audio file."""

from __future__ import annotations


class AudioFileError(ValueError):
    """A file that gives no audio. The message names the file, the reason and the remedy."""


class AudioFileWarning(UserWarning):
    """A file that gives audio, but not all that it promised. The message names the file and what was used."""
