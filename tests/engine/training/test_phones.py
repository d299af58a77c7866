"""Phones learned beside letters (ctc.lexicon), and layers put on top of a checkpoint's (ctc.layers)."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engine import config as configuration
from engine.__main__ import main as engine
from engine.config import RunConfig
from engine.data.audio import AudioCache
from engine.data.batches import FinetuningCollator
from engine.data.examples import plan_examples
from engine.data.manifest import read_manifest
from engine.events import CONFIG_FILE, Evaluation, Failed, Finished, Warned
from engine.text.error_rate import error_rates
from engine.text.ngram.adaptation import sentence_mark
from engine.text.ngram.packed import read_marks, read_packed
from engine.text.pronunciation import Pronunciations
from engine.training.checkpoint import Checkpoint, build_ctc_model, find_checkpoint, letters_alone, load_checkpoint
from engine.training.session import Learner, build_learner, evaluate_checkpoint
from export.trainable import without_training

Build = Callable[..., RunConfig]
Train = Callable[..., Finished | Failed]
Told = Callable[..., list[Any]]
LEXICON = "EE\tIY\nE\tEH\nTT\tT T\nT\tT\nAA\tAA\nA\tAH\nOO\tUW\nO\tOW\nNN\tN\n"
"""N is left out: a run learns it by its spelling."""


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    path = tmp_path / "words"
    path.write_text(LEXICON)
    return path


def batch_of(run: RunConfig, corpus: Path, objective: Any) -> Any:
    examples = plan_examples([read_manifest(corpus / "train.tsv")], run.data, 1, 0)[:10]
    collate = FinetuningCollator(run, AudioCache(), False, objective.vocabulary, objective.pronunciations)
    return collate(examples, 0, 0)


def test_the_loss_is_that_of_letters_and_of_phones(corpus: Path, small_run: Build, lexicon: Path) -> None:
    run = small_run("finetune", f"ctc.lexicon={lexicon}", "ctc.phone_weight=0.3")
    objective = build_learner(run).objective
    objective.model.eval()
    batch = batch_of(run, corpus, objective)
    spoken = {word.split("\t")[0]: word.split("\t")[1].split() for word in LEXICON.splitlines()}
    phones = sorted({phone for said in spoken.values() for phone in said})
    letters = objective.vocabulary.tokens
    wanted, unknown = 0.0, 0
    with torch.no_grad():
        scores, frames = objective.model(torch.from_numpy(batch.waveform), torch.from_numpy(batch.lengths))
        assert scores.shape[-1] == len(letters) + 1 + len(phones)
        for row, transcript in enumerate(batch.transcripts):
            own = scores[row, : frames[row]]
            text = [letters.index("|" if letter == " " else letter) for letter in transcript]
            both = [(own[:, : len(letters)], text, 1.0)]
            words = transcript.split()
            if all(word in spoken for word in words):
                said = [1 + phones.index(phone) for word in words for phone in spoken[word]]
                both.append((own[:, len(letters) :], said, 0.3))
            else:
                unknown += 1
            for rows, labels, weight in both:
                lengths = torch.tensor([len(rows)]), torch.tensor([len(labels)])
                loss = F.ctc_loss(
                    rows.log_softmax(-1)[:, None], torch.tensor([labels]), *lengths, reduction="sum", zero_infinity=True
                )
                wanted += weight * float(loss)
        found = float(objective.contribution(batch, 0).loss)
    assert 0 < unknown < len(batch.transcripts)
    assert found == pytest.approx(wanted, rel=1e-5)


def test_a_run_keeps_its_phones(
    corpus: Path, tmp_path: Path, small_run: Build, train: Train, told: Told, lexicon: Path
) -> None:
    run = small_run("finetune", f"ctc.lexicon={lexicon}", "loop.updates=4", "loop.evaluate_every=2")
    assert isinstance(train(run, tmp_path / "run"), Finished)
    best = load_checkpoint(find_checkpoint(tmp_path / "run"))
    assert best.phones == Pronunciations(lexicon).phones
    model = build_ctc_model(best).eval()
    evaluation = told(tmp_path / "run", Evaluation)[-1]
    assert evaluation.per is not None
    # The rate once more, from the saved weights and by hand.
    last = load_checkpoint(tmp_path / "run/checkpoints/step-00000004.pt")
    model = build_ctc_model(last).eval()
    known, pairs = Pronunciations(tmp_path / "run/lexicon.txt.gz"), []
    assert known.encode("N") == known.encode("NN")
    warned = [event.message for event in told(tmp_path / "run", Warned)]
    assert any("1 words that the lexicon lacks are pronounced by rules: N" in message for message in warned)
    for clip in read_manifest(corpus / "valid.tsv"):
        said = known.encode(clip.transcript)
        if said is None:
            continue
        with torch.no_grad():
            waveform = torch.from_numpy(AudioCache().read(clip.path, clip.part).astype(np.float32) / 32768)
            best_phones = model(waveform[None])[0][0, :, -1 - len(last.phones) :].argmax(-1).tolist()
        merged = [phone for place, phone in enumerate(best_phones) if not place or phone != best_phones[place - 1]]
        pairs.append((" ".join(map(str, said)), " ".join(str(phone) for phone in merged if phone)))
    assert pairs
    assert evaluation.per == pytest.approx(error_rates(pairs).wer)
    # On from where it stood.
    again = dataclasses.replace(run, loop=dataclasses.replace(run.loop, updates=6))
    assert isinstance(train(again, tmp_path / "run", resume=True), Finished)
    assert load_checkpoint(tmp_path / "run/checkpoints/step-00000006.pt").phones == last.phones


def test_a_bundle_hands_its_lexicon_on_and_other_formats_take_the_letters(
    corpus: Path, tmp_path: Path, small_run: Build, train: Train, lexicon: Path
) -> None:
    from engine.training.checkpoint import save_checkpoint

    train(small_run("finetune", f"ctc.lexicon={lexicon}", "loop.updates=2"), tmp_path / "run")
    first = load_checkpoint(tmp_path / "run/checkpoints/step-00000002.pt")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    kept = without_training(first)
    assert kept.config.ctc.lexicon is None
    save_checkpoint(dataclasses.replace(kept, model=first.model), bundle / "trainable.pt")
    (bundle / "lexicon.txt").write_text(LEXICON)
    learner = build_learner(small_run("finetune", f"ctc.checkpoint={bundle}"))
    assert learner.run.ctc.lexicon == str(bundle / "lexicon.txt")
    assert torch.equal(learner.objective.model.state_dict()["head.weight"], first.model["head.weight"])
    # Without a lexicon the phones cannot be taught on; the letters stay.
    (bundle / "lexicon.txt").unlink()
    objective = build_learner(small_run("finetune", f"ctc.checkpoint={bundle}")).objective
    assert objective.pronunciations is None
    assert torch.equal(objective.model.state_dict()["head.bias"], first.model["head.bias"][:32])
    alone = letters_alone(first)
    waveform = torch.randn(1, 9000, generator=torch.Generator().manual_seed(1)) * 0.1
    with torch.no_grad():
        whole, part = (build_ctc_model(each).eval()(waveform)[0] for each in (first, alone))
    assert torch.equal(whole[..., :32], part)


def test_a_run_teaches_the_language_model_of_its_bundle(
    corpus: Path, tmp_path: Path, small_run: Build, train: Train, told: Told, lexicon: Path
) -> None:
    from engine.training.checkpoint import save_checkpoint

    train(small_run("finetune", f"ctc.lexicon={lexicon}", "loop.updates=2"), tmp_path / "run")
    first = load_checkpoint(tmp_path / "run/checkpoints/step-00000002.pt")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    save_checkpoint(dataclasses.replace(without_training(first), model=first.model), bundle / "trainable.pt")
    (bundle / "lexicon.txt").write_text(LEXICON)
    (tmp_path / "text.txt").write_text("EE TT AA\nOO EE\n")
    text, model = tmp_path / "text.txt", bundle / "lm.npz"
    assert engine(["build-lm", str(text), "--prune", "0", "--out", str(model)]) == 0
    before, run = model.read_bytes(), small_run("finetune", f"ctc.checkpoint={bundle}", "loop.updates=2")
    assert isinstance(train(run, tmp_path / "second"), Finished)
    assert model.read_bytes() == before
    words, _ = read_packed(tmp_path / "second/lm.npz")
    sentences = {tuple(clip.transcript.split()) for clip in read_manifest(corpus / "train.tsv")}
    assert "NN" in {word for sentence in sentences for word in sentence} - set(read_packed(model)[0])
    assert {word for sentence in sentences for word in sentence} <= set(words)
    assert read_marks(tmp_path / "second/lm.npz") == set(map(sentence_mark, sentences))
    assert any("the language model learns" in event.message for event in told(tmp_path / "second", Warned))
    # What it knows already is not learned twice, nor what is not wanted.
    model.write_bytes((tmp_path / "second/lm.npz").read_bytes())
    assert isinstance(train(run, tmp_path / "third"), Finished)
    unwanted = small_run("finetune", f"ctc.checkpoint={bundle}", "loop.updates=2", "ctc.adapt_language_model=false")
    model.write_bytes(before)
    assert isinstance(train(unwanted, tmp_path / "fourth"), Finished)
    assert not (tmp_path / "third/lm.npz").exists()
    assert not (tmp_path / "fourth/lm.npz").exists()
    # A damaged one is told, and the run goes on.
    model.write_bytes(before[:-200])
    assert isinstance(train(run, tmp_path / "fifth"), Finished)
    assert any("the language model is not adapted" in event.message for event in told(tmp_path / "fifth", Warned))


def test_a_lexicon_that_is_not_there_is_named(tmp_path: Path, small_run: Build, train: Train) -> None:
    ended = train(small_run("finetune", f"ctc.lexicon={tmp_path / 'nowhere'}"), tmp_path / "run")
    assert isinstance(ended, Failed)
    assert "nowhere" in ended.message


def _outputs(small: Checkpoint, run: RunConfig) -> tuple[Tensor, Learner, Tensor]:
    """Logits of a checkpoint, what a run makes of it, and the logits of that."""
    waveform = torch.randn(2, 16000, generator=torch.Generator().manual_seed(1)) * 0.1
    with torch.no_grad():
        before = build_ctc_model(small).eval()(waveform)[0]
        grown = build_learner(run)
        return before, grown, grown.objective.model.eval()(waveform)[0]


def test_new_layers_change_nothing_and_learn(tmp_path: Path, small_run: Build, train: Train) -> None:
    pre = "model.layer_norm_first=true"
    assert isinstance(train(small_run("finetune", pre, "loop.updates=2"), tmp_path / "first"), Finished)
    small = load_checkpoint(tmp_path / "first/checkpoints/step-00000002.pt")
    run = small_run(
        "finetune", pre, f"ctc.checkpoint={tmp_path / 'first'}", f"ctc.layers={small.config.model.layers + 2}"
    )
    before, grown, after = _outputs(small, run)
    assert torch.allclose(before, after, atol=1e-5)
    assert grown.run.model.layers == small.config.model.layers + 2
    assert isinstance(train(run, tmp_path / "second"), Finished)
    weights = load_checkpoint(tmp_path / "second/checkpoints/step-00000006.pt").model
    last = f"backbone.encoder.layers.{small.config.model.layers + 1}.feed_forward.output_dense.weight"
    assert weights[last].abs().max() > 0
    kept = configuration.load(tmp_path / "second" / CONFIG_FILE)
    assert isinstance(train(kept, tmp_path / "second", resume=True), Finished)


@pytest.mark.parametrize("first", ["true", "false"])
def test_new_feed_forward_units_change_nothing_and_learn(
    tmp_path: Path, small_run: Build, train: Train, first: str
) -> None:
    norm = f"model.layer_norm_first={first}"
    assert isinstance(train(small_run("finetune", norm, "loop.updates=2"), tmp_path / "first"), Finished)
    small = load_checkpoint(tmp_path / "first/checkpoints/step-00000002.pt")
    units = small.config.model.ffn_dim
    run = small_run("finetune", norm, f"ctc.checkpoint={tmp_path / 'first'}", f"ctc.ffn_dim={units + 7}")
    before, grown, after = _outputs(small, run)
    assert torch.allclose(before, after, atol=1e-5)
    assert grown.run.model.ffn_dim == units + 7
    assert isinstance(train(run, tmp_path / "second"), Finished)
    weights = load_checkpoint(tmp_path / "second/checkpoints/step-00000006.pt").model
    output = weights["backbone.encoder.layers.0.feed_forward.output_dense.weight"]
    assert (output[:, units:] != 0).all()
    assert weights["backbone.encoder.layers.0.feed_forward.intermediate_dense.weight"][units:].std() > 0.01
    kept = configuration.load(tmp_path / "second" / CONFIG_FILE)
    assert isinstance(train(kept, tmp_path / "second", resume=True), Finished)


def test_fewer_units_cannot_be_had(tmp_path: Path, small_run: Build, train: Train) -> None:
    train(small_run("finetune", "loop.updates=2"), tmp_path / "first")
    ended = train(small_run("finetune", f"ctc.checkpoint={tmp_path / 'first'}", "ctc.ffn_dim=3"), tmp_path / "x")
    assert isinstance(ended, Failed)
    assert "ctc.ffn_dim=3" in ended.message


@pytest.mark.parametrize(("layers", "first"), [(1, "true"), (4, "false")])
def test_layers_that_cannot_be_had(tmp_path: Path, small_run: Build, train: Train, layers: int, first: str) -> None:
    train(small_run("finetune", f"model.layer_norm_first={first}", "loop.updates=2"), tmp_path / "first")
    ended = train(small_run("finetune", f"ctc.checkpoint={tmp_path / 'first'}", f"ctc.layers={layers}"), tmp_path / "x")
    assert isinstance(ended, Failed)
    assert f"ctc.layers={layers}" in ended.message


@pytest.mark.parametrize("norm", ["layer", "group"])
def test_mixed_precision_on_a_cpu_goes_the_same_way(corpus: Path, small_run: Build, norm: str) -> None:
    """A processor with matrix units computes some 16-bit convolutions wrong: all that is rounded must stay near."""
    gradients = {}
    for precision in ("fp32", "bf16"):
        run = small_run(
            "finetune", f"loop.precision={precision}", f"model.feature_norm={norm}", "dropout.layerdrop=0",
            "dropout.dropout=0", "dropout.attention=0", "dropout.input=0", "ctc.train_convolutions=true",
            "model.position_kernel=128", "model.embed_dim=96", "model.position_groups=8", "model.heads=2",
        )  # fmt: skip
        objective = build_learner(run).objective
        objective.begin(0)
        objective.contribution(batch_of(run, corpus, objective), 0).loss.backward()
        named = objective.model.named_parameters()
        gradients[precision] = {name: value.grad.flatten() for name, value in named if value.grad is not None}
    largest = max(float(value.norm()) for value in gradients["fp32"].values())
    for name, value in gradients["fp32"].items():
        if value.norm() > 1e-3 * largest:
            assert F.cosine_similarity(value, gradients["bf16"][name], dim=0) > 0.99, name


def test_a_run_is_evaluated_with_its_own_lexicon(
    corpus: Path, tmp_path: Path, small_run: Build, train: Train, lexicon: Path
) -> None:
    train(small_run("finetune", f"ctc.lexicon={lexicon}", "loop.updates=2"), tmp_path / "run")
    manifest = str(corpus / "valid.tsv")
    before = evaluate_checkpoint(tmp_path / "run", [manifest])[0].per
    assert before is not None
    lexicon.unlink()
    assert evaluate_checkpoint(tmp_path / "run", [manifest])[0].per == before
    (tmp_path / "run/lexicon.txt.gz").unlink()
    assert evaluate_checkpoint(tmp_path / "run", [manifest])[0].per is None
