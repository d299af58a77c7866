"""A microphone without hardware: a private PulseAudio daemon with a null sink, whose monitor PortAudio records.

    with virtual_microphone(tmp_path) as microphone:
        microphone.play(Path("clip.wav"))              # returns when the clip is over
        subprocess.run([...], env=microphone.environment)

The daemon, its socket, its settings and the ALSA configuration live in the given folder: nothing of the machine's own
sound is used or changed. Real time passes while a clip plays.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ALSA_CONFIGURATION = """\
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse hint { show on description "Virtual microphone" } }
ctl.!default { type pulse }
"""
START_S = 15.0


class VirtualMicrophone:
    """A running one. `environment` is for programs that shall record from it (with PortAudio) or play into it."""

    def __init__(self, environment: dict[str, str], server: subprocess.Popen[bytes]) -> None:
        self.environment = environment
        self._server = server

    def play(self, path: Path) -> None:
        """Play a file (WAV, FLAC, Ogg) into the microphone to its end."""
        subprocess.run(["paplay", "--device=microphone", str(path)], env=self.environment, check=True, timeout=120)

    def start_playing(self, path: Path) -> subprocess.Popen[bytes]:
        """The same without waiting for the end."""
        return subprocess.Popen(["paplay", "--device=microphone", str(path)], env=self.environment)

    def unplug(self) -> None:
        """Take the microphone away while somebody records: the daemon dies."""
        self._server.kill()
        self._server.wait(timeout=10)


@contextmanager
def virtual_microphone(folder: Path, rate_hz: int = 48000, channels: int = 2) -> Iterator[VirtualMicrophone]:
    """Start the daemon, and end it afterwards. Skips the test where the packages are missing."""
    reason = missing_package()
    if reason:
        pytest.skip(reason)
    # Socket paths may have 108 characters at most, and pytest's folders are long.
    runtime = Path(tempfile.mkdtemp(prefix="mic-"))
    environment = private_environment(folder, runtime)
    log = (folder / "pulseaudio.log").open("wb")
    command = [
        "pulseaudio",
        "-n",
        "--daemonize=no",
        "--exit-idle-time=-1",
        "--use-pid-file=no",
        "--disable-shm=yes",
        "--high-priority=no",
        "--realtime=no",
        f"--load=module-native-protocol-unix socket={runtime / 'native'} auth-anonymous=1",
        f"--load=module-null-sink sink_name=microphone rate={rate_hz} channels={channels}",
    ]
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_it_answers(server, environment, folder / "pulseaudio.log")
        yield VirtualMicrophone(environment, server)
    finally:
        server.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=5)
        if server.poll() is None:
            server.kill()
            server.wait(timeout=5)
        log.close()
        shutil.rmtree(runtime, ignore_errors=True)


def missing_package() -> str:
    """Why there can be no virtual microphone here, or an empty string."""
    for program in ("pulseaudio", "pactl", "paplay"):
        if shutil.which(program) is None:
            return f"no virtual microphone: {program} is missing (apt-get install pulseaudio pulseaudio-utils)"
    if not any(Path("/usr").glob("lib*/**/alsa-lib/libasound_module_pcm_pulse.so")):
        return "no virtual microphone: ALSA's pulse plugin is missing (apt-get install libasound2-plugins)"
    return ""


def private_environment(folder: Path, runtime: Path) -> dict[str, str]:
    """Environment in which PulseAudio and ALSA know the private daemon only."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    configuration = folder / "alsa.conf"
    configuration.write_text(ALSA_CONFIGURATION)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "ALSA_", "DBUS_"))}
    return kept | {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "PULSE_RUNTIME_PATH": str(runtime),
        "PULSE_SERVER": f"unix:{runtime / 'native'}",
        "PULSE_SOURCE": "microphone.monitor",
        "PULSE_SINK": "microphone",
        "ALSA_CONFIG_PATH": str(configuration),
    }


def _wait_until_it_answers(server: subprocess.Popen[bytes], environment: dict[str, str], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        asked = subprocess.run(["pactl", "list", "short", "sources"], env=environment, capture_output=True, text=True)
        if "microphone.monitor" in asked.stdout:
            return
        time.sleep(0.1)
    pytest.fail(f"PulseAudio does not start: {log.read_text(errors='replace')[-2000:]}")
