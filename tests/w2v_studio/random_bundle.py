"""Makes a small bundle with random weights by the engine and w2v-export. Run as a script, so that torch stays there.

The head is balanced on noise so that all tokens win in turn: the text is gibberish, but it depends on every sample,
and a decode that saw something else gives other gibberish.
"""

import sys
from pathlib import Path


def make_checkpoint(path: Path, feature_norm: str) -> None:
    import torch

    from engine.config import ModelConfig, RunConfig
    from engine.model.ctc import CtcModel
    from engine.text.vocabulary import Vocabulary
    from engine.training.checkpoint import Checkpoint, save_checkpoint

    torch.manual_seed(7)
    torch.set_num_threads(1)
    is_group = feature_norm == "group"
    model = ModelConfig(
        feature_norm=feature_norm,
        conv_channels=(32,) * 7,
        conv_bias=not is_group,
        layer_norm_first=not is_group,
        embed_dim=64,
        ffn_dim=128,
        layers=2,
        heads=4,
        position_kernel=128,
        position_groups=16,
        codebook_entries=16,
        codevector_dim=32,
        final_dim=32,
        normalize_waveform=is_group,
    )
    config = RunConfig(task="finetune", name=f"random-{feature_norm}", model=model)
    vocabulary = Vocabulary.english()
    network = CtcModel(config, len(vocabulary))
    with torch.no_grad():
        network.eval().head.weight.normal_(0, 0.3)
        noise = torch.randn(4, 48000) * torch.tensor([0.3, 0.1, 0.03, 0.01])[:, None]
        network.head.bias -= network(noise)[0].mean(dim=(0, 1))
        network.head.bias[0] += 0.7  # more blanks
        network.head.bias[4] += 0.7  # more separators
    save_checkpoint(Checkpoint(config, 0, network.state_dict(), vocabulary, run="random"), path)


def publish_unchecked(checkpoint: Path, out: Path) -> None:
    from export import publish
    from export.verify import Parity

    # The comparison with PyTorch is tested in tests/export; here it would be most of the time.
    publish.compare = lambda *_: Parity()
    publish.publish(checkpoint, out, publish.BundleRequest(name=out.name), print)


if __name__ == "__main__":
    norm, folder = sys.argv[1], Path(sys.argv[2])
    weights = folder.with_suffix(".pt")
    make_checkpoint(weights, norm)
    publish_unchecked(weights, folder)
