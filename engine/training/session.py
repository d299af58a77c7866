"""From a config to a trainer: model, data, optimizer; new, from other weights, or resumed where a run stopped."""

from __future__ import annotations

import dataclasses
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.config import ConfigError, CtcConfig, ModelConfig, RunConfig, to_mapping, with_settings
from engine.data.audio import AudioCache
from engine.data.batches import Collator, FinetuningCollator, PretrainingCollator
from engine.data.epochs import EVALUATION_EPOCH, EpochPlan, evaluation_plan
from engine.data.examples import Example
from engine.data.manifest import DataError
from engine.data.read_ahead import BatchStream, Position
from engine.data.selection import Selection, select_clips
from engine.events import PROTOCOL_VERSION, Evaluation, Failed, Finished, Started, Warned
from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel
from engine.model.spectra import SpectraModel
from engine.text.ngram.packed import PACKED_MODEL_FILE, PackedModelError
from engine.text.ngram.teaching import adapt_file, new_sentences
from engine.text.pronunciation import LEXICON_FILES, LexiconError, Pronunciations, lexicon_file
from engine.text.vocabulary import Vocabulary, VocabularyError
from engine.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    build_pretraining_model,
    ctc_from_pretraining,
    find_checkpoint,
    head_size,
    lexicon_of,
    load_checkpoint,
    load_weights,
)
from engine.training.device import choose_device, choose_precision, device_name, set_threads
from engine.training.efficiency import compile_layers, save_memory, wants_compile
from engine.training.follower import failure_notes, remove_notes
from engine.training.loop import Progress, Trainer, TrainingError
from engine.training.objectives import Filler, Finetuning, Objective, Pretraining
from engine.training.optimizer import build_optimizer
from engine.training.parallel import spread
from engine.training.run_folder import RunFolder
from engine.training.spectra import SpectraLearning
from engine.training.stopping import StopSignals
from engine.training.update_plan import MicroBatch, UpdatePlan, check_sharing
from engine.training.world import ALONE, World, is_lost


@dataclass
class Learner:
    """A model with its objective on its device; `codebook_trained` tells whether its codes mean anything."""

    run: RunConfig
    objective: Objective
    device: torch.device
    precision: str
    codebook_trained: bool


def choose_vocabulary(run: RunConfig, start: Checkpoint | None) -> Vocabulary:
    """The config's, or that of the fine-tuned checkpoint it starts from, or the English one."""
    if run.ctc.vocabulary is not None:
        return Vocabulary.load(Path(run.ctc.vocabulary))
    if start is not None and start.vocabulary is not None:
        return start.vocabulary
    return Vocabulary.english()


def _grown(model: ModelConfig, ctc: CtcConfig) -> ModelConfig:
    """The checkpoint's sizes with `ctc.layers` layers of `ctc.ffn_dim` units."""
    layers, units = ctc.layers or model.layers, ctc.ffn_dim or model.ffn_dim
    if units < model.ffn_dim:
        raise ConfigError(
            f"ctc.ffn_dim={units}: a checkpoint of {model.ffn_dim} units a layer can only be given more of them; leave "
            "ctc.ffn_dim out"
        )
    model = dataclasses.replace(model, ffn_dim=units)
    if layers == model.layers:
        return model
    if layers < model.layers or not model.layer_norm_first:
        raise ConfigError(
            f"ctc.layers={layers}: a checkpoint of {model.layers} {'pre' if model.layer_norm_first else 'post'}-LN "
            "layers can only be given more of them, and only if pre-LN; leave ctc.layers out"
        )
    return dataclasses.replace(model, layers=layers)


def choose_lexicon(run: RunConfig, start: Checkpoint) -> RunConfig:
    """With the lexicon of the bundle that a run starts from, if its head knows phones and no other is named.

    Without one the phones cannot be taught further and are left behind.
    """
    if run.ctc.lexicon is not None or not start.phones or not run.ctc.checkpoint:
        return run
    lexicon = lexicon_file(Path(run.ctc.checkpoint))
    return dataclasses.replace(run, ctc=dataclasses.replace(run.ctc, lexicon=str(lexicon) if lexicon else None))


def choose_crf_weight(run: RunConfig, start: Checkpoint) -> RunConfig:
    """With the share of CTC-CRF that the start of a run had, if none is asked for and phones are learned."""
    if run.ctc.crf_weight is not None:
        return run
    before = start.config.ctc.crf_weight if run.ctc.lexicon is not None else None
    return dataclasses.replace(run, ctc=dataclasses.replace(run.ctc, crf_weight=before or 0.0))


def choose_pronunciations(run: RunConfig, known: tuple[str, ...]) -> Pronunciations | None:
    """`ctc.lexicon`'s, over the phones that the checkpoint knows. Raises LexiconError."""
    return None if run.ctc.lexicon is None else Pronunciations(Path(run.ctc.lexicon), known or None)


def build_learner(run: RunConfig, resumed: Checkpoint | None = None, world: World = ALONE) -> Learner:
    """The model of `run`: a resumed checkpoint's, or from `ctc.checkpoint`, or from random weights."""
    set_threads(run.loop)
    device = choose_device(run.loop.device, world)
    precision = choose_precision(run.loop.precision, device)
    torch.manual_seed(run.loop.seed)
    start = None
    if resumed is None and run.ctc.checkpoint:
        start = load_checkpoint(find_checkpoint(Path(run.ctc.checkpoint)))
        # The sizes are those of the weights, whatever the preset says.
        run = dataclasses.replace(run, model=_grown(start.config.model, run.ctc))
        run = choose_crf_weight(choose_lexicon(run, start), start)
    objective: Objective
    if run.task == "pretrain":
        model = SpectraModel(run) if run.objective.spectra else PretrainingModel(run)
        origin = resumed or start
        if origin is not None:
            build_pretraining_model(origin)  # refuses a checkpoint of the other task
            load_weights(model, origin.model, origin.run)
        if isinstance(model, SpectraModel):
            objective = SpectraLearning(run, model.to(device), device, precision)
            return Learner(run, objective, device, precision, codebook_trained=False)
        objective = Pretraining(run, model.to(device), device, precision)
        return Learner(run, objective, device, precision, codebook_trained=True)
    if resumed is not None:
        if resumed.vocabulary is None:
            raise CheckpointError(f"{resumed.run}: the checkpoint of a fine-tuning holds no vocabulary")
        vocabulary, ctc = resumed.vocabulary, CtcModel(run, resumed.tokens)
        load_weights(ctc, resumed.model, resumed.run)
        pronunciations = choose_pronunciations(run, resumed.phones) if resumed.phones else None
    else:
        vocabulary = choose_vocabulary(run, start)
        pronunciations = choose_pronunciations(run, start.phones if start else ())
        phones = pronunciations.phones if pronunciations else ()
        if start is None:
            ctc = CtcModel(run, head_size(vocabulary, phones))
        else:
            ctc = ctc_from_pretraining(run, start, vocabulary, phones)
    known = resumed or start
    same = known is not None and pronunciations is not None and known.phones == pronunciations.phones
    counts = known.phone_counts if known is not None and same else None
    objective = Finetuning(run, ctc.to(device), device, precision, vocabulary, pronunciations, counts)
    return Learner(run, objective, device, precision, codebook_trained=known is not None and known.codebook_trained)


def _collator(run: RunConfig, cache: AudioCache, training: bool, objective: Objective) -> Any:
    if objective.vocabulary is None:
        return PretrainingCollator(run, cache, training)
    return FinetuningCollator(run, cache, training, objective.vocabulary, objective.pronunciations)


@dataclass
class TrainingData:
    """Endless training batches of this process: `stream` gives them, `plan` knows where each update begins.

    `first` is the first micro-batch of the first update, whoever computes it.
    """

    stream: BatchStream[Any]
    plan: UpdatePlan
    first: Callable[[], Any]


def training_data(
    run: RunConfig,
    selection: Selection,
    cache: AudioCache,
    objective: Objective,
    *,
    step: int = 0,
    start: Position | None = None,
    world: World = ALONE,
) -> TrainingData:
    """The batches from update `step` on, whose first micro-batch is at `start`."""
    collate = _collator(run, cache, True, objective)
    plan = EpochPlan(run, selection)

    def make(examples: Sequence[Example], _update: int, _place: int) -> Any:
        if not isinstance(examples, MicroBatch):
            raise TypeError(f"{type(examples).__name__} is no micro-batch of an UpdatePlan")
        return collate(examples, examples.epoch, examples.number)

    def first() -> Any:
        place = start or Position()
        return collate(plan(place.epoch)[place.index], place.epoch, place.index)

    updates = UpdatePlan(plan, run.loop.accumulate, world, step, start)
    return TrainingData(BatchStream(updates, make, run.data.workers, Position(step, 0)), updates, first)


def evaluation_batches(
    run: RunConfig, selection: Selection, cache: AudioCache, objective: Objective, world: World = ALONE
) -> Callable[[], Iterator[Any]]:
    """A function that gives the same batches at every call: same crops, masks and distractors.

    Several processes go through the pass side by side; one that has nothing left repeats a batch that does not count.
    """
    collate: Collator = _collator(run, cache, False, objective)
    batches = evaluation_plan(run, selection)

    def give() -> Iterator[Any]:
        for first in range(0, len(batches), world.size):
            index = first + world.rank
            if index < len(batches):
                yield collate(batches[index], EVALUATION_EPOCH, index)  # type: ignore[operator]
            elif run.loop.sharding == "fsdp":
                yield Filler(collate(batches[first], EVALUATION_EPOCH, first))  # type: ignore[operator]

    return give


def _newest(folder: RunFolder, world: World, warnings: list[str]) -> Checkpoint:
    """The checkpoint to go on from: the first process looks for it, the others read the same file, or are sent it."""
    found: list[Checkpoint] = []

    def look() -> Path:
        checkpoint, passed_over = folder.newest()
        found.append(checkpoint)
        warnings.extend(passed_over)
        return folder.path_of(checkpoint.step)

    path = world.from_first(look)
    if all(world.gather(path.is_file())):
        return found[0] if found else load_checkpoint(path)
    content = world.from_first(path.read_bytes)  # another machine's folder does not show it (yet)
    if found:
        return found[0]
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / path.name
        copy.write_bytes(content)
        return load_checkpoint(copy)


def _progress(checkpoint: Checkpoint) -> tuple[Progress, Position]:
    """How far the run was when the checkpoint was taken."""
    kept = checkpoint.training
    if kept is None:
        raise CheckpointError(f"{checkpoint.run}: this checkpoint holds weights only and cannot be resumed")
    progress = Progress(checkpoint.step, kept["elapsed_s"], kept["audio_s"], kept["best"])
    return progress, Position(kept["epoch"], kept["batch"])


def run_training(
    run: RunConfig,
    folder: RunFolder,
    *,
    resume: bool = False,
    signals: StopSignals | None = None,
    on_update: Callable[[int], None] = lambda _step: None,
    world: World = ALONE,
) -> Finished | Failed:
    """Train `run` in `folder`, to the end. Errors become a `failed` event, with the details in log.txt.

    In each process of `world` with the same arguments; those beside the first give it a Follower as their folder.
    """
    data: list[TrainingData] = []
    step = 0
    try:
        if world.is_first:
            remove_notes(folder.path)
        warnings = [check_sharing(world, run.loop.accumulate, run.loop.sharding == "fsdp" and world.size > 1)]
        resumed = _newest(folder, world, warnings) if resume else None
        learner = build_learner(run, resumed, world)
        run = learner.run
        folder.save_config(run)
        objective, cache = learner.objective, AudioCache()
        selection = select_clips(run.data.train, run, objective.vocabulary)
        warnings.append(selection.warning)
        if objective.pronunciations is not None:
            warnings.append(_learn_words(objective.pronunciations, selection, folder, world))
            if world.is_first and run.ctc.adapt_language_model:
                warnings.append(_learn_phrases(run, selection, folder))
        if isinstance(objective, Finetuning) and run.ctc.crf_weight:
            # A resumed run has counted its own already. Of streamed shards those of the first epoch say enough.
            new = selection.of_epoch(0) if resumed is None or objective.phone_counts is None else ()
            objective.learn_sequences(clip.transcript for group in new for clip in group)
        valid = None
        if run.data.valid:
            kept = select_clips(run.data.valid, run, objective.vocabulary, training=False)
            warnings.append(f"valid: {kept.warning}" if kept.warning else "")
            valid = evaluation_batches(run, kept, cache, objective, world)
        parameters = sum(parameter.numel() for parameter in objective.model.parameters())
        progress, position = _progress(resumed) if resumed is not None else (Progress(), Position())
        step = progress.step
        data.append(training_data(run, selection, cache, objective, step=step, start=position, world=world))
        if resumed is None:
            objective.prepare(data[0].first())
        save_memory(objective.model, run.loop)
        if wants_compile(run.loop, learner.device):
            warnings.append(compile_layers(objective.model, learner.device))
        objective.forward = parallel = spread(objective.model, world, learner.device, run.loop.sharding)
        optimizer = build_optimizer(objective.model, run.optimizer, learner.device)
        if resumed is not None and resumed.training is not None:
            # What is random needs no restoring: it is keyed by the update (engine/training/noise.py).
            optimizer.load_state_dict(parallel.own(resumed.training["optimizer"], optimizer))
        del resumed
        _announce(folder, learner, selection, step, warnings, parameters, world)
        trainer = Trainer(
            run=run,
            folder=folder,
            objective=objective,
            optimizer=optimizer,
            stream=data[0].stream,
            plan=data[0].plan,
            valid=valid,
            progress=progress,
            stop_signalled=lambda: signals is not None and signals.wanted,
            device=learner.device,
            world=world,
            parallel=parallel,
            on_update=on_update,
            codebook_trained=learner.codebook_trained,
        )
        try:
            return trainer.train()
        finally:
            step = trainer.progress.step
    except (Exception, KeyboardInterrupt) as error:
        return _fail(folder, error, step, world)
    finally:
        for opened in data:
            opened.stream.close()


def _learn_words(pronunciations: Pronunciations, selection: Selection, folder: RunFolder, world: World) -> str:
    """Pronounce what the lexicon lacks of the transcripts, and keep it all in the run's folder for the bundle.

    A sentence about them. Shards that are streamed teach no new words.
    """
    added = pronunciations.learn(
        word for group in selection.groups for clip in group for word in clip.transcript.split()
    )
    if world.is_first:
        pronunciations.save(folder.path / LEXICON_FILES[0])
    if not added:
        return ""
    some = ", ".join(added[:5]) + (", ..." if len(added) > 5 else "")
    return f"{len(added):,} words that the lexicon lacks are pronounced by rules: {some}"


def _learn_phrases(run: RunConfig, selection: Selection, folder: RunFolder) -> str:
    """Adapt the language model of the bundle that the run starts from to the transcripts, into the run's folder.

    A sentence about it. Sentences that it knows from an earlier run, and shards that are streamed, teach it nothing.
    """
    out = folder.path / PACKED_MODEL_FILE
    given = Path(run.ctc.checkpoint or "") / PACKED_MODEL_FILE
    if run.ctc.checkpoint is None or out.exists() or not given.is_file():
        return ""
    said = [clip.transcript.split() for group in selection.groups for clip in group]
    try:
        new = new_sentences(given, said)
        if not new:
            return ""
        adapt_file(given, new, out)
    except PackedModelError as error:
        return f"the language model is not adapted: {error}"
    return f"the language model learns {sum(map(len, new)):,} words of the transcripts too (ctc.adapt_language_model)"


def evaluate_checkpoint(
    place: Path, manifests: Sequence[str], root: Path | None = None, settings: Sequence[str] = ()
) -> tuple[Evaluation, str]:
    """Measure a checkpoint (or a run's best) on manifests; with the sentence about clips left out.

    Raises CheckpointError, ConfigError, DataError.
    """
    path = find_checkpoint(place)
    checkpoint = load_checkpoint(path)
    run = with_settings(checkpoint.config, settings)
    lexicon = lexicon_of(path, run)
    run = dataclasses.replace(run, ctc=dataclasses.replace(run.ctc, lexicon=str(lexicon) if lexicon else None))
    data = dataclasses.replace(run.data, valid=tuple(manifests), root=str(root.absolute()) if root else None)
    run = dataclasses.replace(run, data=data)
    learner = build_learner(run, checkpoint)
    selection = select_clips(manifests, run, learner.objective.vocabulary, training=False)
    batches = evaluation_batches(run, selection, AudioCache(), learner.objective)
    return learner.objective.evaluate(batches(), checkpoint.step), selection.warning


def _announce(
    folder: RunFolder,
    learner: Learner,
    selection: Selection,
    step: int,
    warnings: Sequence[str],
    parameters: int,
    world: World,
) -> None:
    run = learner.run
    folder.emit(
        Started(
            protocol=PROTOCOL_VERSION,
            task=run.task,
            config=to_mapping(run),
            step=step,
            updates=run.loop.updates,
            device=device_name(learner.device, world),
            precision=learner.precision,
            parameters=parameters,
            train_clips=selection.clips,
            train_s=selection.seconds,
        )
    )
    if world.is_first:
        folder.log(f"{run.task} from update {step}, {selection.clips} clips, {selection.seconds / 3600:.2f} h")
    for warning in filter(None, warnings):
        folder.emit(Warned(message=warning, step=step))


def explain(error: BaseException) -> str:
    """One sentence for people."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted before it could save; its last checkpoint is untouched, resume from that"
    if isinstance(error, torch.OutOfMemoryError):
        return "the GPU has too little memory for this batch: lower loop.batch_s and raise loop.accumulate"
    if isinstance(error, ConfigError | DataError | CheckpointError | VocabularyError | LexiconError | TrainingError):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot read or write a file ({error}): free some space or correct the path, then resume"
    return f"unexpected {type(error).__name__}: {error} (log.txt in the run's folder has the details)"


def _lost(folder: RunFolder) -> str:
    """Why the others no longer answer, as far as they could tell."""
    notes = failure_notes(folder.path)
    return (
        "another process of this run ended"
        + (f" ({'; '.join(notes)})" if notes else " without a word: killed, out of memory, or its machine is gone")
        + "; torchrun --max-restarts starts them again from the last checkpoint, or resume the run"
    )


def _fail(folder: RunFolder, error: BaseException, step: int, world: World) -> Failed:
    lost = world.size > 1 and is_lost(error)
    failed = Failed(message=_lost(folder) if lost else explain(error), step=step)
    try:
        folder.log("".join(traceback.format_exception(error)))
        if world.is_first or not lost:
            folder.emit(failed)
    except OSError:
        pass  # the disk is full: standard error still gets the sentence
    return failed
