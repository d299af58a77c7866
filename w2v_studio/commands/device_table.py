"""`w2v-studio devices`: the microphones as a table or as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from w2v_studio.audio.devices import AudioUnavailable, InputDevice, list_input_devices

HEADINGS = ("", "index", "name", "system", "channels", "rate")


def print_devices(*, as_json: bool) -> int:
    """Print all input devices, the default one marked. Raises AudioUnavailable when there is none."""
    devices = list_input_devices()
    if as_json:
        for device in devices:
            print(json.dumps(dataclasses.asdict(device), ensure_ascii=False))
        return 0
    if not devices:
        raise AudioUnavailable("no microphone was found: plug one in, or enable it in the system's sound settings")
    print("\n".join(table([HEADINGS, *(_row(device) for device in devices)])))
    print("* default; `w2v-studio dictate --device INDEX` uses another one")
    return 0


def _row(device: InputDevice) -> tuple[str, ...]:
    mark = "*" if device.is_default else ""
    rate = f"{device.default_rate_hz:g} Hz"
    return mark, str(device.index), device.name, device.host_api, str(device.channels), rate


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
