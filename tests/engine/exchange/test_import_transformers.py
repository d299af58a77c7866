"""A transformers folder, whatever its files, gives a model with the same outputs as transformers' own."""

import json
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.config import ConfigError
from engine.exchange.assemble import assemble
from engine.exchange.reading_options import ReadingOptions
from engine.exchange.source import read_source
from engine.text.vocabulary import VocabularyError
from engine.training.checkpoint import CheckpointError, build_ctc_model, build_pretraining_model

NORMS = ["layer", "group"]
OLD = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


def read(folder, **options):
    return read_source(str(folder), ReadingOptions(**options))


def close(found, wanted):
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def our_logits(checkpoint, waveform):
    with torch.no_grad():
        return build_ctc_model(checkpoint).eval()(waveform)[0]


def their_logits(model, waveform, normalize):
    if normalize:  # as transformers' feature extractor has it
        deviation = torch.sqrt(waveform.var(dim=1, keepdim=True, unbiased=False) + 1e-7)
        waveform = (waveform - waveform.mean(dim=1, keepdim=True)) / deviation
    with torch.no_grad():
        return model(waveform).logits


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("normalize", [True, False])
def test_ctc_logits_are_the_same(published, noise, norm, normalize):
    folder, model = published("ctc", norm, normalize=normalize)
    checkpoint = assemble(read(folder))
    close(our_logits(checkpoint, 3 * noise + 0.5), their_logits(model, 3 * noise + 0.5, normalize))
    assert checkpoint.config.model.normalize_waveform is normalize
    assert checkpoint.vocabulary.tokens[4:8] == ("|", "E", "T", "A")
    assert not checkpoint.codebook_trained


@pytest.mark.parametrize("norm", NORMS)
def test_pretraining_outputs_are_the_same(published, noise, norm):
    folder, model = published("pretraining", norm, normalize=False)
    checkpoint = assemble(read(folder))
    ours = build_pretraining_model(checkpoint).eval()
    mask = torch.zeros(2, 27, dtype=torch.bool)
    mask[:, 5:15] = True
    with torch.no_grad():
        expected = model(noise, mask_time_indices=mask)
        output = ours.wav2vec2(noise, time_mask=mask)
        close(ours.project_hid(output.contexts), expected.projected_states)
        quantized = ours.quantizer(output.latents.flatten(0, 1), 2.0)
        close(ours.project_q(quantized.vectors).view(2, 27, -1), expected.projected_quantized_states)
    assert checkpoint.codebook_trained
    # 0.05 in config.json is transformers' default and no rule that anything was trained with
    assert (checkpoint.config.masking.time_prob, checkpoint.config.objective.negatives) == (0.65, 5)


def test_a_bare_network_keeps_its_weights_and_draws_the_rest(published, noise):
    folder, model = published("backbone", "layer", normalize=False)
    source = read(folder)
    checkpoint = assemble(source)
    with torch.no_grad():
        contexts = build_pretraining_model(checkpoint).eval().wav2vec2(noise).contexts
        close(contexts, model(noise).last_hidden_state)
    assert not checkpoint.codebook_trained
    assert any("random weights" in note for note in source.notes)
    again = assemble(read(folder))
    assert all(torch.equal(value, again.model[name]) for name, value in checkpoint.model.items())


def old_names(weights):
    for new, old in OLD.items():
        weights = {name.replace(new, old): value for name, value in weights.items()}
    return weights


def as_bin(folder, weights):
    torch.save(OrderedDict(weights), folder / "pytorch_model.bin")


def as_legacy_bin(folder, weights):
    torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


def as_old_safetensors(folder, weights):
    save_file(old_names(weights), folder / "model.safetensors", {"format": "pt"})


def as_shards(folder, weights, suffix="safetensors", stem="model"):
    names = sorted(weights)
    table = {}
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), start=1):
        file = f"{stem}-{number:05}-of-00002.{suffix}"
        chosen = {name: weights[name] for name in part}
        if suffix == "bin":
            torch.save(chosen, folder / file)
        else:
            save_file(chosen, folder / file)
        table |= dict.fromkeys(part, file)
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": table}))


def as_bin_shards(folder, weights):
    as_shards(folder, weights, "bin", "pytorch_model")


def as_folded(folder, weights):
    stem = "wav2vec2.encoder.pos_conv_embed.conv"
    gain, direction = (weights.pop(f"{stem}.parametrizations.weight.original{place}") for place in (0, 1))
    weights[f"{stem}.weight"] = torch._weight_norm(direction, gain, 2)
    save_file(weights, folder / "model.safetensors")


def as_half(folder, weights):
    save_file({name: value.half() for name, value in weights.items()}, folder / "model.safetensors")


FORMS = [as_bin, as_legacy_bin, as_old_safetensors, as_shards, as_bin_shards, as_folded]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_any_file_of_weights_will_do(published, noise, form):
    folder, model = published("ctc", "layer", normalize=False)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    form(folder, weights)
    close(our_logits(assemble(read(folder)), noise), their_logits(model, noise, False))


def test_old_names_in_a_pickle(published, noise):
    folder, model = published("ctc", "group", normalize=False)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    as_bin(folder, old_names(weights))
    close(our_logits(assemble(read(folder)), noise), their_logits(model, noise, False))


def test_half_precision_becomes_single(published, noise):
    folder, model = published("ctc", "layer", normalize=False)
    as_half(folder, load_file(folder / "model.safetensors"))
    checkpoint = assemble(read(folder))
    assert {value.dtype for value in checkpoint.model.values()} == {torch.float32}
    close(our_logits(checkpoint, noise), their_logits(model.half().float(), noise, False))


def test_every_wrong_weight_is_named_as_the_file_has_it(published):
    folder, _ = published("ctc", "layer")
    weights = load_file(folder / "model.safetensors")
    for layer in range(3):
        del weights[f"wav2vec2.encoder.layers.{layer}.attention.k_proj.bias"]
    del weights["wav2vec2.encoder.layers.1.feed_forward.output_dense.weight"]
    weights["wav2vec2.encoder.surplus.weight"] = torch.zeros(2)
    weights["lm_head.bias"] = torch.zeros(31)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(CheckpointError) as refusal:
        read(folder)
    text = str(refusal.value)
    assert "wav2vec2.encoder.layers.0-2.attention.k_proj.bias" in text
    assert "wav2vec2.encoder.layers.1.feed_forward.output_dense.weight" in text
    assert "unexpected:\n    wav2vec2.encoder.surplus.weight" in text
    assert "lm_head.bias is (31,), not (32,)" in text
    assert text.count("\n") == 7  # three titles, and a line for each of the four


def test_a_lost_shard_is_named(published):
    folder, _ = published("ctc", "layer")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    as_shards(folder, weights)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match="model-00002-of-00002"):
        read(folder)


def test_a_recogniser_without_mask_embedding_is_taken_and_a_pre_trained_one_is_not(published, noise):
    for kind in ("ctc", "pretraining"):
        folder, model = published(kind, "layer", kind, normalize=False)
        weights = load_file(folder / "model.safetensors")
        embedding = weights.pop("wav2vec2.masked_spec_embed")
        save_file(weights, folder / "model.safetensors")
        if kind == "pretraining":
            with pytest.raises(CheckpointError, match="masked_spec_embed"):
                read(folder)
            continue
        source = read(folder)
        close(our_logits(assemble(source), noise), their_logits(model, noise, False))
        assert any("mask embedding" in note for note in source.notes)
        weights["wav2vec2.mask_time_emb_vector"] = embedding  # its name in early folders
        save_file(weights, folder / "model.safetensors")
        assert torch.equal(assemble(read(folder)).model["backbone.masked_spec_embed"], embedding)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("hidden_act", "gelu_new", "hidden_act='gelu_new'"),
        ("feat_extract_activation", "relu", "feat_extract_activation"),
        ("add_adapter", True, "20 ms"),
        ("layer_norm_eps", 1e-6, "layer_norm_eps"),
        ("model_type", "wavlm", "wavlm"),
        ("architectures", ["Wav2Vec2ForSequenceClassification"], "Wav2Vec2ForSequenceClassification"),
        ("position_embeddings_type", "relative", "Conformer"),
        ("adapter_attn_dim", 4, "layer_norm_first"),
    ],
)
def test_other_networks_are_refused_by_name(published, key, value, words):
    folder, _ = published("ctc", "group")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(ConfigError, match=words):
        read(folder)


@pytest.mark.parametrize(("norm", "stable"), [("group", True), ("layer", False)])
def test_mixed_norms_are_supported(published, noise, norm, stable):
    folder, model = published("ctc", norm, normalize=False, do_stable_layer_norm=stable)
    close(our_logits(assemble(read(folder)), noise), their_logits(model, noise, False))


def test_another_sampling_rate_is_refused(published):
    folder, _ = published("ctc")
    (folder / "preprocessor_config.json").write_text('{"do_normalize": true, "sampling_rate": 8000}')
    with pytest.raises(ConfigError, match="8000"):
        read(folder)


def test_normalisation_in_the_file_of_transformers_5_or_nowhere(published):
    folder, _ = published("ctc", "layer")
    (folder / "preprocessor_config.json").unlink()
    source = read(folder)
    assert source.config.model.normalize_waveform
    assert any("normalize_waveform" in note for note in source.notes)
    (folder / "processor_config.json").write_text('{"feature_extractor": {"do_normalize": false}}')
    source = read(folder)
    assert not source.config.model.normalize_waveform
    assert not source.notes
    assert read(folder, settings=["model.normalize_waveform=true"]).config.model.normalize_waveform


# Vocabularies


def decoded(vocabulary, ids):
    return vocabulary.decode([place for place in ids if place != vocabulary.blank])


def test_another_script_with_the_blank_at_the_end(published, noise):
    letters = ["абвгд", "ա", "字", "é"]
    table = {"|": 0} | {letter: place for place, letter in enumerate("".join(letters), start=1)}
    table |= {"[UNK]": len(table), "[PAD]": len(table) + 1}
    folder, model = published(
        "ctc",
        vocabulary=table,
        tokenizer={"unk_token": "[UNK]", "pad_token": {"content": "[PAD]", "special": True}},
        normalize=False,
        vocab_size=len(table),
        pad_token_id=table["[PAD]"],
    )
    # published folders of this kind have two more tokens, behind the head
    (folder / "added_tokens.json").write_text(json.dumps({"<s>": len(table), "</s>": len(table) + 1}))
    checkpoint = assemble(read(folder))
    vocabulary = checkpoint.vocabulary
    assert vocabulary.blank == table["[PAD]"] == len(vocabulary) - 1
    ids = [1, 2, table["[PAD]"], 0, table["字"], table["[UNK]"], table["é"]]
    assert decoded(vocabulary, ids) == "аб 字é"
    assert vocabulary.encode("бa".replace("a", "а")) == [2, 1]
    close(our_logits(checkpoint, noise), their_logits(model, noise, False))


def test_tokens_added_to_a_head_that_is_longer_than_vocab_json(published):
    table = {letter: place for place, letter in enumerate("|abc", start=0)} | {"<unk>": 4, "<pad>": 5}
    folder, _ = published(
        "ctc",
        vocabulary=table,
        vocab_size=9,
        tokenizer={"added_tokens_decoder": {"6": "<s>", "7": {"content": "</s>"}}},
    )
    vocabulary = read(folder).vocabulary
    assert vocabulary.tokens == ("|", "a", "b", "c", "<unk>", "<pad>", "<s>", "</s>", "<unused-8>")


def test_another_word_delimiter(published):
    table = {"<pad>": 0, " ": 1, "a": 2, "b": 3}
    folder, _ = published("ctc", vocabulary=table, vocab_size=4, tokenizer={"word_delimiter_token": " "})
    vocabulary = read(folder).vocabulary
    assert vocabulary.separator == " "
    assert vocabulary.encode("ab a") == [2, 3, 1, 2]
    assert vocabulary.decode([2, 3, 1, 2]) == "ab a"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"a": 0, "b": 1}, "<pad>"),
        ({"<pad>": 0, "a": 1, "b": 1}, "share the index 1"),
        ({"<pad>": 0, "a": 5}, "the head has 3 rows"),
        ({"<pad>": 0, "a": "1"}, "has no index"),
    ],
)
def test_vocabularies_that_cannot_be(published, table, words):
    folder, _ = published("ctc", vocabulary=table, vocab_size=3)
    with pytest.raises(VocabularyError, match=words):
        read(folder)


def test_no_vocabulary_and_one_from_elsewhere(published, tmp_path):
    folder, _ = published("ctc", vocab_size=3)
    (folder / "vocab.json").unlink()
    with pytest.raises(VocabularyError, match="--vocabulary"):
        read(folder)
    (tmp_path / "mine.json").write_text('{"-": 0, "a": 1, "|": 2}')
    vocabulary = read(folder, vocabulary=tmp_path / "mine.json").vocabulary
    assert vocabulary.tokens == ("<pad>", "a", "|")


# MMS: a language's adapters, head and letters beside the shared network


def test_languages_with_adapters(published, noise):
    languages = {
        "eng": {"<pad>": 0, "|": 1, "a": 2, "b": 3},
        "ukr": {"<pad>": 0, "|": 1, "а": 2, "б": 3, "в": 4, "г": 5},
    }
    folder, model = published(
        "ctc",
        vocabulary=languages,
        tokenizer={"target_lang": "eng"},
        normalize=False,
        vocab_size=4,
        adapter_attn_dim=8,
    )
    english = assemble(read(folder))
    assert english.vocabulary.tokens == ("<pad>", "|", "a", "b")
    close(our_logits(english, noise), their_logits(model, noise, False))

    with pytest.raises(CheckpointError, match=r"adapter\.ukr\.safetensors"):
        read(folder, language="ukr")
    other = {name: value for name, value in load_file(folder / "model.safetensors").items() if "adapter_layer" in name}
    other = {name: torch.randn_like(value) for name, value in other.items()}
    other |= {"lm_head.weight": torch.randn(6, 48), "lm_head.bias": torch.randn(6)}
    save_file(other, folder / "adapter.ukr.safetensors", {"format": "pt"})
    ukrainian = assemble(read(folder, language="ukr"))
    assert ukrainian.vocabulary.tokens[2:] == ("а", "б", "в", "г")
    # what transformers' load_adapter does, without its cache
    model.lm_head = torch.nn.Linear(48, 6)
    model.load_state_dict(other, strict=False)
    close(our_logits(ukrainian, noise), their_logits(model, noise, False))
    with pytest.raises((CheckpointError, VocabularyError), match="deu"):
        read(folder, language="deu")


def test_a_language_must_be_chosen(published):
    folder, _ = published("ctc", vocabulary={"eng": {"<pad>": 0}, "fra": {"<pad>": 0}}, vocab_size=1)
    with pytest.raises(VocabularyError, match=r"--language.*eng, fra"):
        read(folder)
