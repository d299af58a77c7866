"""A recogniser takes its codebook from the pre-trained checkpoint it began from, and from no other."""

import dataclasses

import pytest
import torch

from engine.config import MaskingConfig
from engine.exchange.assemble import assemble
from engine.exchange.reading_options import ReadingOptions
from engine.exchange.source import read_source
from engine.training.checkpoint import (
    CheckpointError,
    build_ctc_model,
    build_pretraining_model,
    ctc_from_pretraining,
    save_checkpoint,
)


def read(path):
    return read_source(str(path), ReadingOptions())


@pytest.fixture
def family(published):
    """A pre-trained folder and the folder of a recogniser whose Transformer and norm were trained further."""
    parent, before = published("pretraining", "layer", "parent", seed=1)
    child, model = published("ctc", "layer", "child", seed=2)
    model.wav2vec2.feature_extractor.load_state_dict(before.wav2vec2.feature_extractor.state_dict())
    model.save_pretrained(child)
    return parent, child, before, model


def test_codes_are_those_of_the_parent(family, noise):
    parent, child, before, model = family
    checkpoint = assemble(read(child), read(parent))
    assert checkpoint.codebook_trained
    ours = build_ctc_model(checkpoint).eval()
    waveform = ours.backbone.normalize(noise)
    with torch.no_grad():
        features = before.wav2vec2(waveform).extract_features
        wanted = before.quantizer.weight_proj(features).view(2, 27, 2, 8)
        # Of numbers up to 16; processors round differently.
        torch.testing.assert_close(ours.code_logits(noise), wanted, atol=1e-4, rtol=0)
        torch.testing.assert_close(ours(noise)[0], model(waveform).logits, atol=1e-5, rtol=0)
    assert torch.equal(ours.quantizer.codevectors, before.quantizer.codevectors)
    assert ours.convolutions_are_pretrained()


def test_a_checkpoint_of_this_engine_can_be_the_parent(family, tmp_path, noise):
    parent, child, *_ = family
    save_checkpoint(assemble(read(parent)), tmp_path / "ours.pt")
    first = build_ctc_model(assemble(read(child), read(tmp_path / "ours.pt"))).eval()
    second = build_ctc_model(assemble(read(child), read(parent))).eval()
    with torch.no_grad():
        assert torch.equal(first.code_logits(noise), second.code_logits(noise))


def test_another_feature_encoder_is_refused_with_the_difference(family):
    parent, child, _, model = family
    with torch.no_grad():
        model.wav2vec2.feature_extractor.conv_layers[3].conv.weight[0, 0, 0] += 0.25
    model.save_pretrained(child)
    with pytest.raises(CheckpointError, match=r"0\.25 \(in conv_layers\.3\.conv\.weight"):
        assemble(read(child), read(parent))


def test_another_kind_of_encoder_is_refused(family, published):
    _, child, *_ = family
    other, _ = published("pretraining", "group", "other")
    with pytest.raises(CheckpointError, match="feature_norm layer and group"):
        assemble(read(child), read(other))


def test_a_parent_without_a_trained_codebook_is_refused(family, published):
    parent, child, *_ = family
    with pytest.raises(CheckpointError, match="no trained codebook"):
        assemble(read(child), read(child))
    with pytest.raises(CheckpointError, match="leave it out"):
        assemble(read(parent), read(parent))


def test_both_kinds_train_further(family):
    """What `finetune --from` and `pretrain --from` do first: build their model from the checkpoint."""
    parent, child, *_ = family
    recogniser, pre_trained = assemble(read(child)), assemble(read(parent))
    run = dataclasses.replace(recogniser.config, masking=MaskingConfig())
    again = ctc_from_pretraining(run, recogniser, recogniser.vocabulary)
    assert torch.equal(again.head.weight, recogniser.model["head.weight"])
    from_parent = dataclasses.replace(run, model=pre_trained.config.model)
    fresh = ctc_from_pretraining(from_parent, pre_trained, recogniser.vocabulary)
    assert torch.equal(fresh.quantizer.codevectors, pre_trained.model["quantizer.codevectors"])
    assert build_pretraining_model(pre_trained)
