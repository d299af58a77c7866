"""The two commands from a shell: a published folder in, evaluated, trained further, exported as bundle and folder."""

import json

import pytest
import torch

from engine.__main__ import main
from engine.training.checkpoint import find_checkpoint, load_checkpoint
from export.__main__ import main as export
from export.bundle import open_bundle


@pytest.fixture
def files(published):
    parent, before = published("pretraining", "layer", "parent", seed=1, normalize=False, num_hidden_layers=1)
    child, model = published("ctc", "layer", "child", seed=2, normalize=False, num_hidden_layers=1)
    model.wav2vec2.feature_extractor.load_state_dict(before.wav2vec2.feature_extractor.state_dict())
    model.save_pretrained(child)
    return parent, child


def test_in_further_and_out_again(files, corpus, tmp_path, capsys):
    parent, child = files
    out = tmp_path / "new" / "child.pt"
    assert main(["import", str(child), "--out", str(out), "--codebook", str(parent)]) == 0
    said = capsys.readouterr()
    assert "CTC recogniser" in said.out
    assert "codebook  2 x 8, trained" in said.out
    assert "w2v-export" in said.out

    assert main(["evaluate", str(out), "--data", str(corpus / "valid.tsv")]) == 0
    run = tmp_path / "run"
    order = ["finetune", "--preset", "quick-digits", "--from", str(out), "--data", str(corpus / "train.tsv")]
    small = ["loop.updates=2", "loop.batch_s=4", "loop.device=cpu", "loop.threads=1", "loop.time_limit_s=0"]
    assert main([*order, "--out", str(run), *(word for text in small for word in ("--set", text))]) == 0
    assert export([str(out), "--out", str(tmp_path / "bundle"), "--name", "imported"]) == 0
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.card.codebook_trained
    assert bundle.vocabulary.tokens[4:7] == ("|", "E", "T")

    capsys.readouterr()
    assert main(["export-hf", str(run), "--out", str(tmp_path / "folder")]) == 0
    assert "Wav2Vec2ForCTC" in capsys.readouterr().out
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    assert (config["hidden_size"], config["vocab_size"], config["pad_token_id"]) == (48, 32, 0)


def test_a_pre_trained_one_is_trained_further_both_ways(files, corpus, tmp_path, capsys):
    parent, _ = files
    out = tmp_path / "parent.pt"
    assert main(["import", str(parent), "--out", str(out)]) == 0
    assert "pre-trained network" in capsys.readouterr().out
    common = ["--from", str(out), "--data", str(corpus / "train.tsv")]
    small = ["loop.updates=2", "loop.batch_s=4", "loop.device=cpu", "loop.threads=1", "loop.time_limit_s=0"]
    settings = [word for text in small for word in ("--set", text)]
    for task, preset in (("pretrain", "quick-pretrain"), ("finetune", "quick-digits")):
        run = tmp_path / task
        assert main([task, "--preset", preset, *common, "--out", str(run), *settings]) == 0
    tuned = load_checkpoint(find_checkpoint(tmp_path / "finetune"))
    assert tuned.codebook_trained
    book = load_checkpoint(out).model["quantizer.codevectors"]
    assert torch.equal(tuned.model["quantizer.codevectors"], book)


def test_what_cannot_be_done_is_one_sentence(files, tmp_path, capsys):
    parent, child = files
    taken = tmp_path / "taken.pt"
    taken.write_text("mine")
    assert main(["import", str(child), "--out", str(taken)]) == 2
    assert "--force" in capsys.readouterr().err
    assert taken.read_text() == "mine"
    assert main(["import", str(child), "--out", str(tmp_path)]) == 2
    assert main(["import", str(tmp_path / "gone.pt"), "--out", str(tmp_path / "x.pt")]) == 2
    assert "there is nothing at" in capsys.readouterr().err
    assert main(["import", str(parent), "--out", str(tmp_path / "x.pt"), "--codebook", str(parent)]) == 2
    assert "leave it out" in capsys.readouterr().err
    assert main(["import", str(child), "--out", str(tmp_path / "x.pt"), "--set", "model.heds=2"]) == 2
    assert "heads" in capsys.readouterr().err
    assert main(["export-hf", str(tmp_path / "gone.pt"), "--out", str(tmp_path / "y")]) == 2
    assert not (tmp_path / "x.pt").exists()
    assert not (tmp_path / "y").exists()
    assert main(["import", str(child), "--out", str(taken), "--force"]) == 0
    assert load_checkpoint(taken).vocabulary is not None
    # a fine-tuned one cannot be pre-trained further, nor a pre-trained one exported as a bundle
    assert main(["import", str(parent), "--out", str(tmp_path / "p.pt")]) == 0
    assert export([str(tmp_path / "p.pt"), "--out", str(tmp_path / "b")]) == 1
    assert "fine-tune it first" in capsys.readouterr().err
