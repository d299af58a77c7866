import subprocess
import sys
import threading

import numpy as np
import onnxruntime
import pytest

from export.bundle import BundleError, open_bundle
from w2v_studio.recognition import provider
from w2v_studio.recognition.provider import ProviderError, physical_cores, session_options, worker_threads
from w2v_studio.recognition.sessions import Recognizer


def test_shapes_are_those_of_the_contract(recognizer):
    card = recognizer.bundle.card
    features = recognizer.features(np.zeros(16000, np.float32))
    assert features.latents.shape == (49, card.channels)
    assert features.code_ids.shape == (49, card.codebook_groups)
    assert features.code_ids.dtype == np.int64
    assert features.code_probs.shape == (49, card.codebook_groups, card.codebook_entries)
    output = recognizer.context(features.latents)
    assert output.logits.shape == (49, len(recognizer.bundle.vocabulary))
    assert len(output.contexts) == 49


def test_results_are_those_of_the_plain_graphs(recognizer):
    waveform = np.random.default_rng(0).normal(0, 0.1, 9000).astype(np.float32)
    plain = onnxruntime.InferenceSession(str(recognizer.bundle.features_path), providers=["CPUExecutionProvider"])
    latents, code_ids, code_probs = plain.run(["latents", "code_ids", "code_probs"], {"waveform": waveform[None]})
    features = recognizer.features(waveform)
    assert np.abs(features.latents - latents[0]).max() < 1e-5
    assert np.array_equal(features.code_ids, code_ids[0])
    assert np.abs(features.code_probs - code_probs[0]).max() < 1e-5


def test_a_mask_changes_the_contexts_of_its_frames_only_where_it_should(recognizer):
    latents = recognizer.features(np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)).latents
    plain = recognizer.context(latents)
    assert np.array_equal(recognizer.context(latents, np.zeros(49, bool)).logits, plain.logits)
    mask = np.zeros(49, bool)
    mask[10:20] = True
    hidden = recognizer.context(latents, mask)
    other = latents.copy()
    other[10:20] = 7.0  # what is hidden cannot matter
    assert np.abs(recognizer.context(other, mask).logits - hidden.logits).max() < 1e-4
    assert np.abs(hidden.logits - plain.logits).max() > 1e-2


def test_fewer_samples_than_a_frame_give_no_frames(recognizer):
    features = recognizer.features(np.zeros(399, np.float32))
    assert [len(part) for part in (features.latents, features.code_ids, features.code_probs)] == [0, 0, 0]


def test_input_is_normalised_where_the_card_says_so(group_norm_recognizer, recognizer):
    waveform = np.random.default_rng(0).normal(0.2, 0.05, 8000).astype(np.float32)
    louder = waveform * 3 - 0.4
    assert np.abs(
        group_norm_recognizer.features(waveform).latents - group_norm_recognizer.features(louder).latents
    ).max() == pytest.approx(0, abs=0.02)
    assert recognizer.normalized(waveform) is waveform


def test_threads_may_share_a_recognizer(recognizer):
    waveforms = [np.random.default_rng(seed).normal(0, 0.1, 4000 + 320 * seed).astype(np.float32) for seed in range(8)]
    alone = [recognizer.context(recognizer.features(waveform).latents).logits for waveform in waveforms]
    together = [None] * len(waveforms)

    def run(place):
        for _ in range(5):
            together[place] = recognizer.context(recognizer.features(waveforms[place]).latents).logits

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(waveforms))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_without_a_gpu_the_cpu_is_used_and_the_reason_told(small_bundle, monkeypatch):
    monkeypatch.setattr(provider, "_driver_obstacle", lambda: "this machine has no NVIDIA driver")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    recognizer = Recognizer(open_bundle(small_bundle))
    assert recognizer.provider == "CPU"
    assert recognizer.provider_reason == "this machine has no NVIDIA driver"
    with pytest.raises(ProviderError, match="CUDA cannot be used: this machine has no NVIDIA driver"):
        Recognizer(open_bundle(small_bundle), "cuda")


def test_cuda_that_does_not_load_falls_back_with_a_reason_and_without_noise(small_bundle):
    # As with a driver that does not fit: ONNX Runtime itself only logs that, and falls back.
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from export.bundle import open_bundle\n"
        "from w2v_studio.recognition import provider, sessions\n"
        "provider._driver_obstacle = lambda: ''\n"
        f"recognizer = sessions.Recognizer(open_bundle(Path({str(small_bundle)!r})))\n"
        "print(recognizer.provider, '|', recognizer.provider_reason)"
    )
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers() or not provider._driver_obstacle():
        pytest.skip("needs ONNX Runtime with CUDA support on a machine without a GPU")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.startswith("CPU | ONNX Runtime could not start CUDA"), run.stderr
    assert run.stderr == ""


@pytest.mark.parametrize("name", ["features.onnx", "context.onnx"])
def test_a_broken_graph_is_a_bundle_error_with_its_name(small_bundle, tmp_path, name):
    for file in small_bundle.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes((small_bundle / name).read_bytes()[:-5000])
    with pytest.raises(BundleError, match=rf"{name} .*export .* again") as caught:
        Recognizer(open_bundle(tmp_path), "cpu")
    assert "\n" not in str(caught.value)


def test_session_settings_are_those_of_the_reference():
    options = session_options(3)
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert 1 <= worker_threads() <= min(4, physical_cores())


def test_onnx_runtime_is_imported_with_the_first_recognizer_only():
    code = (
        "import sys, w2v_studio.recognition.live, w2v_studio.recognition.transcribe, w2v_studio.bundles\n"
        "print([name for name in ('onnxruntime', 'torch', 'PySide6') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
