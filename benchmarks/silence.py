"""CPU time of listening to a quiet room by the real clock, each way in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

DEVICE_HZ = 48000


def idle_cpu(kind: str, seconds: float) -> float:
    """Share of a core. "ours": as shipped; "codes": with codes and mask shown; "defaults": ONNX Runtime's settings."""
    run = subprocess.run(
        [sys.executable, __file__, kind, str(seconds)],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PATH": ""},
    )
    return float(run.stdout)


def _listen(kind: str, seconds: float) -> float:
    import w2v_studio.recognition.live as live_module
    import w2v_studio.recognition.sessions as sessions
    import w2v_studio.recognition.voice_activity as voice_activity
    from w2v_studio.audio.resample import StreamResampler
    from w2v_studio.audio.ring_buffer import RingBuffer
    from w2v_studio.bundles import default_bundle
    from w2v_studio.commands.dictating import POLL_S
    from w2v_studio.recognition.live_settings import LiveSettings

    if kind == "defaults":
        import onnxruntime

        voice_activity.session_options = lambda **_: onnxruntime.SessionOptions()
        live_module.QUIET_BLOCKS = 1
        sessions.session_options = lambda *_, **__: onnxruntime.SessionOptions()
    recognizer = sessions.Recognizer(default_bundle(), "cpu")
    recognizer.warm_up()
    settings = LiveSettings(show_codes=kind == "codes")
    live = live_module.LiveRecognizer(recognizer, voice_activity.VoiceActivity(), settings)
    rng = np.random.default_rng(0)
    room = rng.normal(0, 10 ** (-60 / 20), (round(seconds * DEVICE_HZ), 1)).astype(np.float32)
    ring, resampler, given = RingBuffer(30 * DEVICE_HZ), StreamResampler(DEVICE_HZ), 0
    live.feed(np.zeros(16000, np.float32))
    began, used = time.monotonic(), time.process_time()
    while given < len(room):
        due = min(round((time.monotonic() - began) * DEVICE_HZ), len(room))
        ring.write(room[given:due])
        given = due
        live.feed(resampler.feed(ring.read()[:, 0]))
        time.sleep(POLL_S)
    return (time.process_time() - used) / (time.monotonic() - began)


if __name__ == "__main__":
    print(_listen(sys.argv[1], float(sys.argv[2])))
