"""Files with fairseq's names and structure, written by hand from the reference (section 18), against transformers."""

import argparse
import enum
import sys
import types

import pytest
import torch

from engine.config import ConfigError
from engine.exchange.assemble import assemble
from engine.exchange.fairseq_config import parse_convolutions
from engine.exchange.reading_options import ReadingOptions
from engine.exchange.source import read_source
from engine.text.vocabulary import VocabularyError
from engine.training.checkpoint import CheckpointError, build_ctc_model, build_pretraining_model

LETTERS = "|ETAONIHSRDLUMWCFGYPBVK'XJQZ"
LAYERS = 3
STABLE = {"group": False, "layer": True}

NETWORK = {
    "group": {
        "extractor_mode": "default",
        "conv_bias": False,
        "layer_norm_first": False,
    },
    "layer": {
        "extractor_mode": "layer_norm",
        "conv_bias": True,
        "layer_norm_first": True,
    },
}
SIZES = {
    "conv_feature_layers": "[(32, 10, 5)] + [(32, 3, 2)] * 4 + [(32,2,2)] * 2",
    "encoder_embed_dim": 48,
    "encoder_ffn_embed_dim": 64,
    "encoder_layers": LAYERS,
    "encoder_attention_heads": 4,
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "latent_vars": 8,
    "latent_groups": 2,
    "latent_dim": 32,
    "final_dim": 24,
    "num_negatives": 5,
    "logit_temp": 0.1,
    "mask_prob": 0.65,
    "mask_length": 10,
    "dropout": 0.1,
    "activation_fn": "gelu",
    "quantize_targets": True,
    "quantize_input": False,
}


def fairseq_to_transformers(norm):
    """Every name of a pre-trained file with transformers' name for it."""
    names = {}

    def both(theirs, other):
        for end in ("weight", "bias"):
            names[f"{theirs}.{end}"] = f"{other}.{end}"

    stem = "wav2vec2.feature_extractor.conv_layers"
    for place in range(7):
        names[f"feature_extractor.conv_layers.{place}.0.weight"] = f"{stem}.{place}.conv.weight"
        if norm == "layer":
            names[f"feature_extractor.conv_layers.{place}.0.bias"] = f"{stem}.{place}.conv.bias"
            both(f"feature_extractor.conv_layers.{place}.2.1", f"{stem}.{place}.layer_norm")
    if norm == "group":
        both("feature_extractor.conv_layers.0.2", f"{stem}.0.layer_norm")
    both("layer_norm", "wav2vec2.feature_projection.layer_norm")
    both("post_extract_proj", "wav2vec2.feature_projection.projection")
    names["mask_emb"] = "wav2vec2.masked_spec_embed"
    names["encoder.pos_conv.0.bias"] = "wav2vec2.encoder.pos_conv_embed.conv.bias"
    names["encoder.pos_conv.0.weight_g"] = "wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original0"
    names["encoder.pos_conv.0.weight_v"] = "wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original1"
    both("encoder.layer_norm", "wav2vec2.encoder.layer_norm")
    for layer in range(LAYERS):
        here, there = f"encoder.layers.{layer}", f"wav2vec2.encoder.layers.{layer}"
        for kind in ("k_proj", "v_proj", "q_proj", "out_proj"):
            both(f"{here}.self_attn.{kind}", f"{there}.attention.{kind}")
        both(f"{here}.self_attn_layer_norm", f"{there}.layer_norm")
        both(f"{here}.fc1", f"{there}.feed_forward.intermediate_dense")
        both(f"{here}.fc2", f"{there}.feed_forward.output_dense")
        both(f"{here}.final_layer_norm", f"{there}.final_layer_norm")
    return names


HEADS = {
    "quantizer.vars": "quantizer.codevectors",
    "quantizer.weight_proj.weight": "quantizer.weight_proj.weight",
    "quantizer.weight_proj.bias": "quantizer.weight_proj.bias",
    "project_q.weight": "project_q.weight",
    "project_q.bias": "project_q.bias",
    "final_proj.weight": "project_hid.weight",
    "final_proj.bias": "project_hid.bias",
}


def small(kind, norm, rows=32):
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining

    torch.manual_seed(3)
    config = Wav2Vec2Config(
        feat_extract_norm=norm,
        do_stable_layer_norm=STABLE[norm],
        conv_bias=norm == "layer",
        conv_dim=(32,) * 7,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        num_codevectors_per_group=8,
        codevector_dim=32,
        proj_codevector_dim=24,
        vocab_size=rows,
    )
    model = (Wav2Vec2ForCTC if kind == "ctc" else Wav2Vec2ForPreTraining)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def state_dict(model, norm, fine_tuned):
    theirs = model.state_dict()
    prefix = "w2v_encoder.w2v_model." if fine_tuned else ""
    weights = {prefix + name: theirs[other] for name, other in fairseq_to_transformers(norm).items()}
    if fine_tuned:
        weights |= {f"w2v_encoder.proj.{end}": theirs[f"lm_head.{end}"] for end in ("weight", "bias")}
    else:
        weights |= {name: theirs[other] for name, other in HEADS.items()}
    return weights


def pretraining_settings(norm):
    return {**NETWORK[norm], **SIZES, "_name": "wav2vec2"}


def old_style(model, norm, fine_tuned=False, with_network=True):
    """2020: argparse's flat settings under `args`; a fine-tuned file has those of pre-training inside."""
    before = argparse.Namespace(arch="wav2vec2", normalize=norm == "layer", **NETWORK[norm], **SIZES)
    args = before
    if fine_tuned:
        args = argparse.Namespace(
            arch="wav2vec_ctc",
            normalize=norm == "layer",
            dropout=0.0,
            activation_dropout=0.1,
            layerdrop=0.1,
            mask_prob=0.5,
            mask_channel_prob=0.25,
            mask_channel_length=64,
            w2v_path="/somewhere/else.pt",
            w2v_args=before if with_network else None,
        )
    return {
        "args": args,
        "model": state_dict(model, norm, fine_tuned),
        "optimizer_history": [{"num_updates": 5, "criterion_name": "CtcCriterion"}],
        "last_optimizer_state": {"state": {0: {"step": 5, "exp_avg": torch.zeros(3)}}},
        "extra_state": {"train_iterator": {"epoch": 1}, "val_loss": 1.5},
    }


def new_style(model, norm, fine_tuned=False):
    """Since 2021: nested plain settings under `cfg`, and `args` is None."""
    task = {"_name": "audio_pretraining", "normalize": norm == "layer"}
    cfg = {"task": task, "model": pretraining_settings(norm)}
    if fine_tuned:
        stage = {"_name": "wav2vec_ctc", "w2v_args": cfg, "dropout": 0.0, "layerdrop": 0.1, "final_dropout": 0.0}
        cfg = {"task": {**task, "_name": "audio_finetuning", "labels": "ltr"}, "model": stage}
    return {"args": None, "cfg": cfg, "model": state_dict(model, norm, fine_tuned)}


def write_dictionary(folder, letters=LETTERS):
    lines = [f"{letter} {10_000 - place}" for place, letter in enumerate(letters)]
    (folder / "dict.ltr.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path, **options):
    return read_source(str(path), ReadingOptions(**options))


@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize("style", [old_style, new_style])
@pytest.mark.parametrize("legacy", [True, False])
def test_a_pre_trained_file(tmp_path, noise, norm, style, legacy):
    model = small("pretraining", norm)
    path = tmp_path / "wav2vec_small.pt"
    torch.save(style(model, norm), path, _use_new_zipfile_serialization=not legacy)
    source = read(path)
    checkpoint = assemble(source)
    sizes = checkpoint.config.model
    assert (sizes.feature_norm, sizes.layer_norm_first, sizes.normalize_waveform) == (
        norm,
        STABLE[norm],
        norm == "layer",
    )
    assert (sizes.codevector_dim, sizes.final_dim, sizes.heads) == (32, 24, 4)
    assert checkpoint.codebook_trained
    assert not source.notes
    assert checkpoint.config.objective.penalty_weight == (10.0 if norm == "group" else 0.0)
    ours = build_pretraining_model(checkpoint).eval()
    waveform = ours.wav2vec2.normalize(noise)
    with torch.no_grad():
        mask = torch.zeros(2, 27, dtype=torch.bool)
        mask[:, 3:20] = True
        expected = model(waveform, mask_time_indices=mask)
        output = ours.wav2vec2(noise, time_mask=mask)
        torch.testing.assert_close(ours.project_hid(output.contexts), expected.projected_states, atol=1e-5, rtol=0)
        quantized = ours.quantizer(output.latents.flatten(0, 1), 2.0).vectors
        torch.testing.assert_close(
            ours.project_q(quantized).view(2, 27, -1), expected.projected_quantized_states, atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize("style", [old_style, new_style])
def test_a_fine_tuned_file_with_its_dictionary(tmp_path, noise, norm, style):
    model = small("ctc", norm)
    torch.save(style(model, norm, fine_tuned=True), tmp_path / "small_960h.pt")
    write_dictionary(tmp_path, LETTERS[::-1])
    checkpoint = assemble(read(tmp_path / "small_960h.pt"))
    # row 0 is the blank in both programs, under the names <s> there and <pad> here
    assert checkpoint.vocabulary.tokens == ("<pad>", "<s>", "</s>", "<unk>", *LETTERS[::-1])
    assert checkpoint.vocabulary.blank == 0
    assert checkpoint.config.dropout.layerdrop == 0.1
    assert not checkpoint.codebook_trained
    ours = build_ctc_model(checkpoint).eval()
    with torch.no_grad():
        expected = model(ours.backbone.normalize(noise)).logits
        torch.testing.assert_close(ours(noise)[0], expected, atol=1e-5, rtol=0)


def test_a_fine_tuned_file_that_only_names_the_path_of_its_parent(tmp_path, noise):
    model = small("ctc", "layer")
    path = tmp_path / "old.pt"
    torch.save(old_style(model, "layer", fine_tuned=True, with_network=False), path)
    source = read(path, settings=["model.heads=4"])
    assert any("no settings" in note for note in source.notes)
    assert any("published English letters" in note for note in source.notes)
    assert source.config.masking.channel_prob == 0.25
    ours = build_ctc_model(assemble(source)).eval()
    with torch.no_grad():
        expected = model(ours.backbone.normalize(noise)).logits
        torch.testing.assert_close(ours(noise)[0], expected, atol=1e-5, rtol=0)


def test_settings_as_omegaconf_enums_and_a_dictionary_object(tmp_path, monkeypatch):
    """Files of fairseq-hydra-train hold objects of classes that are not here; they are read as data."""

    def module(name):
        made = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    for name in ("omegaconf", "fairseq", "fairseq.data", "fairseq.dataclass"):
        module(name)

    def put(cls, name, place):
        cls.__module__, cls.__qualname__, cls.__name__ = place.__name__, name, name
        setattr(place, name, cls)
        return cls

    class Node:
        def __init__(self, value):
            self._val, self._parent, self._metadata = value, None, None

    class Tree:
        def __init__(self, content):
            self._content, self._parent = content, None

        def __getstate__(self):
            return dict(vars(self))

    class Dictionary:
        def __init__(self, symbols):
            self.symbols, self.count = symbols, [1] * len(symbols)
            self.indices = {symbol: place for place, symbol in enumerate(symbols)}

    class Mode(enum.Enum):
        layer_norm = "layer_norm"

    node = put(Node, "AnyNode", module("omegaconf.nodes"))
    tree = put(Tree, "DictConfig", module("omegaconf.dictconfig"))
    dictionary = put(Dictionary, "Dictionary", module("fairseq.data.dictionary"))
    put(Mode, "Mode", module("fairseq.dataclass.constants"))

    def wrap(values):
        if isinstance(values, dict):
            return tree({name: wrap(value) for name, value in values.items()})
        return node(values)

    content = new_style(small("ctc", "layer"), "layer", fine_tuned=True)
    content["cfg"]["model"]["w2v_args"]["model"]["extractor_mode"] = Mode.layer_norm
    content["cfg"] = wrap(content["cfg"])
    content["task_state"] = {"target_dictionary": dictionary(["<s>", "<pad>", "</s>", "<unk>", *LETTERS[::-1]])}
    path = tmp_path / "hydra.pt"
    torch.save(content, path)
    monkeypatch.undo()
    assert "omegaconf" not in sys.modules
    source = read(path)
    assert source.config.model.feature_norm == "layer"
    assert source.config.model.heads == 4
    assert source.vocabulary.tokens[4:] == tuple(LETTERS[::-1])
    assert not source.notes


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("layer_type", "conformer", "Conformer"),
        ("layer_type", "trf_adp", "adapters"),
        ("target_glu", True, "target_glu"),
        ("activation_fn", "relu", "gelu|GELU"),
        ("quantizer_depth", 3, "quantizer_depth"),
        ("_name", "hubert", "hubert"),
        ("conv_feature_layers", "__import__('os').getcwd()", "conv_feature_layers"),
    ],
)
def test_other_networks_are_refused_by_name(tmp_path, key, value, words):
    content = new_style(small("pretraining", "layer"), "layer")
    content["cfg"]["model"][key] = value
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ConfigError, match=words):
        read(tmp_path / "other.pt")


def test_missing_and_unexpected_weights_have_fairseqs_names(tmp_path):
    content = new_style(small("ctc", "layer"), "layer", fine_tuned=True)
    for layer in range(LAYERS):
        del content["model"][f"w2v_encoder.w2v_model.encoder.layers.{layer}.fc1.weight"]
    content["model"]["decoder.embed.weight"] = torch.zeros(3)
    torch.save(content, tmp_path / "torn.pt")
    with pytest.raises(CheckpointError) as refusal:
        read(tmp_path / "torn.pt")
    assert "missing:\n    w2v_encoder.w2v_model.encoder.layers.0-2.fc1.weight" in str(refusal.value)
    assert "unexpected:\n    decoder.embed.weight" in str(refusal.value)


def test_a_head_without_known_letters_asks_for_them(tmp_path):
    torch.save(new_style(small("ctc", "layer", rows=10), "layer", fine_tuned=True), tmp_path / "ten.pt")
    with pytest.raises(VocabularyError, match=r"dict\.ltr\.txt"):
        read(tmp_path / "ten.pt")
    write_dictionary(tmp_path, "|ABCDE")
    assert len(read(tmp_path / "ten.pt").vocabulary) == 10
    write_dictionary(tmp_path, "|ABCDEF")
    with pytest.raises(VocabularyError, match="10 rows"):
        read(tmp_path / "ten.pt")


@pytest.mark.parametrize(
    ("written", "layers"),
    [
        (
            "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]",
            [(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512, 2, 2)] * 2,
        ),
        ("2 * [(8, 3, 2)]", [(8, 3, 2)] * 2),
        ([[8, 10, 5], (8, 3, 2)], [(8, 10, 5), (8, 3, 2)]),
    ],
)
def test_convolutions_are_parsed(written, layers):
    assert parse_convolutions(written) == layers


@pytest.mark.parametrize("written", ["[(8, 3)]", "[(8, 3, 2)] * 10**9", "open('x')", "[", 7, "[(8, 3, -1)]"])
def test_anything_else_is_no_list_of_convolutions(written):
    with pytest.raises(ConfigError, match="conv_feature_layers"):
        parse_convolutions(written)
