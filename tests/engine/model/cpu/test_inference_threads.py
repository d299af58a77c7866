"""Inference with several threads: the workers are in inference mode too."""

import torch

from engine.config import DropoutConfig, ModelConfig
from engine.model.wav2vec2 import Wav2Vec2


def test_inference_mode_gives_the_same_with_two_threads():
    torch.manual_seed(3)
    config = ModelConfig(conv_channels=(32,) * 7, embed_dim=64, ffn_dim=128, layers=2, heads=4)
    model = Wav2Vec2(config, DropoutConfig()).eval()
    waveform = torch.randn(2, 16000)
    lengths = torch.tensor([16000, 16000])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with torch.no_grad():
            alone = model(waveform, lengths).contexts
        torch.set_num_threads(2)
        with torch.inference_mode():
            shared = model(waveform, lengths).contexts
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(shared, alone, rtol=1e-5, atol=1e-5)
