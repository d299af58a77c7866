"""What an imported checkpoint holds, in a few lines, and what can be done with it."""

from __future__ import annotations

from pathlib import Path

from engine.training.checkpoint import Checkpoint

SHOWN_TOKENS = 40


def summary_lines(checkpoint: Checkpoint, path: Path) -> list[str]:
    """Lines for people."""
    run, model, vocabulary = checkpoint.config, checkpoint.config.model, checkpoint.vocabulary
    fine_tuned = run.task == "finetune"
    backbone = sum(
        value.numel() for name, value in checkpoint.model.items() if name.split(".")[0] in ("wav2vec2", "backbone")
    )
    norm = "layer norm" if model.feature_norm == "layer" else "group norm"
    order = "pre-LN" if model.layer_norm_first else "post-LN"
    trained = "trained" if checkpoint.codebook_trained else "random weights, not trained"
    lines = [
        f"{path}: {'CTC recogniser' if fine_tuned else 'pre-trained network'} from {checkpoint.run}",
        f"  network   {model.layers} layers of {model.embed_dim}, {model.heads} heads, {norm}, {order}, "
        f"{backbone / 1e6:.1f} million weights",
        f"  waveform  16 kHz, {'zero mean and unit variance' if model.normalize_waveform else 'as it is'}",
        f"  codebook  {model.codebook_groups} x {model.codebook_entries}, {trained}",
    ]
    if vocabulary is not None:
        tokens = [token for token in vocabulary.tokens if token not in vocabulary.specials]
        shown = " ".join(tokens[:SHOWN_TOKENS]) + (" ..." if len(tokens) > SHOWN_TOKENS else "")
        lines.append(f"  letters   {len(tokens)}: {shown}")
    if fine_tuned:
        lines.append(f"next: w2v-export {path} --out BUNDLE, or w2v-engine finetune --from {path} ...")
    else:
        lines.append(f"next: w2v-engine finetune --from {path} ..., or w2v-engine pretrain --from {path} ...")
    return lines
