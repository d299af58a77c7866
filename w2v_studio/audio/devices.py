"""The microphones that PortAudio finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class AudioUnavailable(RuntimeError):  # noqa: N818  (it names a state of the machine, as TimeoutError does)
    """No sound can be recorded: no PortAudio library, no microphone, or one that fails. The message has the remedy."""


@dataclass(frozen=True)
class InputDevice:
    """A device that can record: PortAudio's index, names, channels it offers, the rate it prefers in Hz."""

    index: int
    name: str
    host_api: str
    channels: int
    default_rate_hz: float
    is_default: bool


def portaudio() -> Any:
    """The sounddevice module. Raises AudioUnavailable where the PortAudio library is missing or fails to start."""
    try:
        import sounddevice
    except OSError as error:
        raise AudioUnavailable(
            "the PortAudio library is missing, so no microphone can be used; "
            "install it with: sudo apt-get install libportaudio2"
        ) from error
    except Exception as error:  # sounddevice starts PortAudio at import and raises its own class then
        raise AudioUnavailable(f"the audio system does not start ({error}); check that sound works at all") from error
    return sounddevice


def list_input_devices(*, rescan: bool = False) -> list[InputDevice]:
    """All devices that record, in PortAudio's order; none is an empty list. Raises AudioUnavailable.

    PortAudio looks for devices once; `rescan` makes it look again (for one plugged in since), which ends every open
    stream: only without a running capture.
    """
    sounddevice = portaudio()
    try:
        if rescan:
            sounddevice._terminate()
            sounddevice._initialize()
        default = sounddevice.default.device[0]
        apis = sounddevice.query_hostapis()
        found = list(sounddevice.query_devices())
    except sounddevice.PortAudioError as error:
        raise AudioUnavailable(f"the audio system does not answer ({error}); check that sound works at all") from error
    if default < 0 and apis:
        default = next((api["default_input_device"] for api in apis if api["default_input_device"] >= 0), -1)
    return [
        InputDevice(
            index=device["index"],
            name=device["name"],
            host_api=apis[device["hostapi"]]["name"],
            channels=device["max_input_channels"],
            default_rate_hz=float(device["default_samplerate"]),
            is_default=device["index"] == default,
        )
        for device in found
        if device["max_input_channels"] > 0
    ]


def find_input_device(name_or_index: str | int | None = None) -> InputDevice:
    """The device of that index, or whose name contains the text (case ignored); None is the default one.

    Raises AudioUnavailable naming what there is.
    """
    devices = list_input_devices()
    if not devices:
        raise AudioUnavailable("no microphone was found: plug one in, or enable it in the system's sound settings")
    if name_or_index is None:
        return next((device for device in devices if device.is_default), devices[0])
    wanted = str(name_or_index).strip()
    for device in devices:
        if wanted == str(device.index) or wanted == device.name:
            return device
    matches = [device for device in devices if wanted.lower() in device.name.lower()]
    if len(matches) == 1:
        return matches[0]
    known = "; ".join(f"{device.index} {device.name}" for device in matches or devices)
    problem = "names several microphones" if matches else "is not a microphone of this machine"
    raise AudioUnavailable(f"{wanted!r} {problem}: give one of the numbers in: {known}")
