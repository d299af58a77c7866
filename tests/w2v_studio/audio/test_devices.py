import subprocess
import sys

import pytest

from w2v_studio.audio import devices
from w2v_studio.audio.devices import AudioUnavailable, InputDevice, find_input_device


def test_without_the_portaudio_library_the_remedy_is_named():
    # sounddevice raises this very error when no library is found; the finder is told that there is none.
    code = (
        "import ctypes.util, sys\n"
        "ctypes.util.find_library = lambda name: None\n"
        "sys.platform = 'linux'\n"
        "from w2v_studio.audio.devices import list_input_devices, AudioUnavailable\n"
        "try: list_input_devices()\n"
        "except AudioUnavailable as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "sudo apt-get install libportaudio2" in run.stdout, run.stderr


@pytest.fixture
def three_devices(monkeypatch):
    found = [
        InputDevice(0, "Built-in", "ALSA", 2, 44100.0, False),
        InputDevice(4, "USB Desk", "ALSA", 1, 48000.0, True),
        InputDevice(7, "USB Head", "ALSA", 1, 48000.0, False),
    ]
    monkeypatch.setattr(devices, "list_input_devices", lambda: found)
    return found


@pytest.mark.parametrize(("wanted", "index"), [(None, 4), ("7", 7), (0, 0), ("head", 7), ("USB Desk", 4)])
def test_a_device_is_found_by_number_name_or_part_of_it(three_devices, wanted, index):
    assert find_input_device(wanted).index == index


@pytest.mark.parametrize(("wanted", "message"), [("usb", "several"), ("phone", "is not a microphone"), ("5", "is not")])
def test_an_unclear_or_unknown_device_lists_the_choices(three_devices, wanted, message):
    with pytest.raises(AudioUnavailable, match=message) as caught:
        find_input_device(wanted)
    assert "USB Desk" in str(caught.value)


def test_no_microphone_says_what_to_do(monkeypatch):
    monkeypatch.setattr(devices, "list_input_devices", list)
    with pytest.raises(AudioUnavailable, match="no microphone was found: plug one in"):
        find_input_device()
