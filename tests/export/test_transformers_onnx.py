"""w2v-export --format hf: against PyTorch, transformers' processor, Optimum and transformers.js themselves."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer
from transformers import Wav2Vec2Processor

from engine.text.ctc import decode_words, text_of
from engine.text.vocabulary import Vocabulary
from export import transformers_onnx
from export.__main__ import main
from export.check_set import read_check_set
from export.transformers_onnx import FILES, tokenizer_table
from tests.export.conftest import GROUP_POST, LAYER_PRE, VOCABULARY

pytestmark = pytest.mark.timeout(900)  # the exporter takes minutes on a busy machine

OPTIMUM = (
    "optimum==2.3.0",
    "optimum-onnx==0.1.0",
    "transformers==4.57.6",
    "huggingface_hub==0.36.2",
    "tokenizers==0.22.2",
    "requests==2.32.5",
    "charset-normalizer==3.4.4",
    "idna==3.11",
    "certifi",
)
"""Needs transformers before 4.58, so it lies in a folder of its own and runs in a process of its own."""

SENTENCE = "WE'LL SEE ALL THREE"

CONFIGS = {"layer": LAYER_PRE, "group": GROUP_POST}


@pytest.fixture(scope="module")
def folders(export_small, tmp_path_factory):
    """The exporter's graphs of before, composed and written by the command: norm to (model, folder)."""
    made = {}
    patch = pytest.MonkeyPatch()
    for norm, config in CONFIGS.items():
        exported = export_small(config)
        protos = [onnx.load(exported.bundle / name) for name in ("features.onnx", "context.onnx")]
        patch.setattr(transformers_onnx, "trace", lambda *_, protos=protos: tuple(protos))
        out = tmp_path_factory.mktemp("hf") / norm
        assert main([str(exported.checkpoint), "--format", "hf", "--out", str(out)]) == 0
        made[norm] = (exported.model, out)
    patch.undo()
    return made


@pytest.fixture(scope="module")
def recording():
    return read_check_set(None).clips[0].waveform


def expected(model, waveform):
    with torch.no_grad():
        logits, _ = model(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
    return logits.numpy()


def session_of(folder):
    return onnxruntime.InferenceSession(folder / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("norm", CONFIGS)
@pytest.mark.parametrize("samples", [400, 719, 720, 8009])
def test_one_graph_with_transformers_names(folders, norm, samples):
    model, folder = folders[norm]
    session = session_of(folder)
    assert [value.name for value in session.get_inputs()] == ["input_values"]
    optional = ["attention_mask"] if norm == "layer" else []
    assert [value.name for value in session.get_overridable_initializers()] == optional
    assert [(value.name, value.shape[-1]) for value in session.get_outputs()] == [("logits", len(VOCABULARY))]
    processor = Wav2Vec2Processor.from_pretrained(folder)
    waveform = np.random.default_rng(samples).normal(0.05, 0.2, samples).astype(np.float32)
    values = processor(waveform, sampling_rate=16000, return_tensors="np").input_values
    found = session.run(None, {"input_values": values})[0]
    np.testing.assert_allclose(found, expected(model, waveform), atol=1e-4, rtol=0)


def test_rows_of_unequal_lengths_with_a_mask(folders):
    model, folder = folders["layer"]
    rng = np.random.default_rng(1)
    rows = [rng.normal(0, 0.2, samples).astype(np.float32) for samples in (16001, 9000, 400)]
    processor = Wav2Vec2Processor.from_pretrained(folder)
    batch = processor(rows, sampling_rate=16000, padding=True, return_tensors="np")
    feed = {"input_values": batch.input_values, "attention_mask": batch.attention_mask.astype(np.int64)}
    found = session_of(folder).run(None, feed)[0]
    for row, waveform in enumerate(rows):
        alone = expected(model, waveform)[0]
        np.testing.assert_allclose(found[row, : len(alone)], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("norm", CONFIGS)
def test_what_the_folder_holds(folders, norm):
    _, folder = folders[norm]
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    proto = onnx.load(folder / "onnx" / "model.onnx")
    onnx.checker.check_model(proto, full_check=True)
    operations = {node.op_type for node in proto.graph.node}
    assert not operations & {"ArgMax", "ReduceL2"}, "no codes, no weight norm"
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["Wav2Vec2ForCTC"]
    assert config["vocab_size"] == len(VOCABULARY)


def test_an_export_is_not_replaced_unasked(folders, tmp_path, capsys):
    _, folder = folders["layer"]
    out = tmp_path / "mine"
    shutil.copytree(folder, out)
    assert main([str(tmp_path / "x.pt"), "--format", "hf", "--out", str(out)]) == 1
    assert "--force" in capsys.readouterr().err
    (out / "notes.txt").write_text("mine")
    assert main([str(tmp_path / "x.pt"), "--format", "hf", "--out", str(out), "--force"]) == 1
    assert "notes.txt" in capsys.readouterr().err
    assert main([str(tmp_path / "x.pt"), "--format", "hf", "--out", str(tmp_path / "n"), "--weights", "int8"]) == 1
    assert "leave out --weights" in capsys.readouterr().err


def test_a_tokenizer_of_another_script():
    """XLSR and MMS vocabularies: other letters, another blank's name, no unknown token."""
    vocabulary = Vocabulary(("[PAD]", "|", "ä", "ж", "あ"), 0, "|")
    table = tokenizer_table(vocabulary)
    assert table["model"]["vocab"] == {"[PAD]": 0, "|": 1, "ä": 2, "ж": 3, "あ": 4}
    assert table["decoder"]["pad_token"] == "[PAD]"
    assert [token["content"] for token in table["added_tokens"]] == ["[PAD]"]


def frames_of(text):
    """Token ids of CTC frames that spell `text`: each letter twice, then a blank."""
    names = [VOCABULARY.separator if letter == " " else letter for letter in text]
    return [number for name in names for number in (*[VOCABULARY.tokens.index(name)] * 2, VOCABULARY.blank)]


def test_letters_are_merged_and_words_separated(folders):
    """By the library whose rules transformers.js follows: random weights spell no words."""
    _, folder = folders["layer"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.decode(frames_of(SENTENCE), skip_special_tokens=True) == SENTENCE


def find_uv():
    """uv of the system, or the one that `./studio` has set up."""
    return shutil.which("uv") or shutil.which("uv", path=str(Path(__file__).parents[2] / ".studio" / "uv" / "bin"))


@pytest.fixture(scope="session")
def optimum_folder(request):
    """Optimum beside this environment, kept in pytest's cache. Skipped where it cannot be installed."""
    folder = request.config.cache.mkdir("optimum") / "packages"
    done = folder / "complete"
    if not done.exists():
        uv = find_uv()
        if uv is None:
            pytest.skip("Optimum is installed by uv, which is not here")
        shutil.rmtree(folder, ignore_errors=True)
        order = [uv, "pip", "install", "--quiet", "--target", str(folder), "--no-deps", *OPTIMUM]
        try:
            subprocess.run(order, capture_output=True, text=True, check=True, timeout=120)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"Optimum cannot be installed: {getattr(error, 'stderr', None) or error}")
        done.touch()
    return folder


BY_OPTIMUM = """
import json, sys
import numpy as np
from optimum.onnxruntime import ORTModelForCTC
from transformers import Wav2Vec2Processor
waveform = np.load(sys.argv[1])
for folder in sys.argv[2:]:
    model, processor = ORTModelForCTC.from_pretrained(folder), Wav2Vec2Processor.from_pretrained(folder)
    inputs = processor(waveform, sampling_rate=16000, return_tensors="pt")
    logits = model(input_values=inputs.input_values).logits
    np.save(folder + ".npy", logits.numpy())
    print(json.dumps(processor.batch_decode(logits.argmax(-1))[0]))
"""


def test_optimum_opens_it_as_it_is(folders, recording, optimum_folder, tmp_path):
    np.save(tmp_path / "waveform.npy", recording)
    places = [str(folder) for _, folder in folders.values()]
    search = os.pathsep.join([str(optimum_folder), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-c", BY_OPTIMUM, str(tmp_path / "waveform.npy"), *places],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": search, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    texts = [json.loads(line) for line in run.stdout.strip().splitlines()[-len(places) :]]
    for (model, folder), text in zip(folders.values(), texts, strict=True):
        logits = expected(model, recording)
        np.testing.assert_allclose(np.load(f"{folder}.npy"), logits, atol=1e-4, rtol=0)
        assert text == text_of(decode_words(logits[0], VOCABULARY))


BY_TRANSFORMERS_JS = """
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import fs from 'node:fs';
const [packages, waveform, frames, parent, ...names] = process.argv.slice(2);
const entry = createRequire(packages + '/package.json').resolve('@huggingface/transformers');
const { pipeline, env } = await import(pathToFileURL(entry));
env.allowRemoteModels = false;
env.localModelPath = parent;
const bytes = fs.readFileSync(waveform);
const samples = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
for (const name of names) {
  const recognize = await pipeline('automatic-speech-recognition', name, { dtype: 'fp32' });
  console.log(JSON.stringify((await recognize(samples)).text));
  console.log(JSON.stringify(recognize.tokenizer.decode(JSON.parse(frames), { skip_special_tokens: true })));
}
"""


def test_transformers_js_opens_it_as_it_is(folders, recording, tmp_path):
    """Half a gigabyte of packages: run where they are, `npm install --ignore-scripts @huggingface/transformers`."""
    packages = os.environ.get("W2V_TRANSFORMERS_JS", "")
    if not packages or shutil.which("node") is None:
        pytest.skip("needs node, and W2V_TRANSFORMERS_JS naming a folder with node_modules/@huggingface/transformers")
    for norm, (_, folder) in folders.items():
        shutil.copytree(folder, tmp_path / norm)
    recording.astype(np.float32).tofile(tmp_path / "waveform.f32")
    (tmp_path / "run.mjs").write_text(BY_TRANSFORMERS_JS)
    frames = json.dumps(frames_of(SENTENCE))
    order = ["node", tmp_path / "run.mjs", packages, tmp_path / "waveform.f32", frames, tmp_path, *folders]
    run = subprocess.run([str(part) for part in order], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    texts = [json.loads(line) for line in run.stdout.strip().splitlines()]
    assert texts[1::2] == [SENTENCE] * len(folders)
    for (model, _), text in zip(folders.values(), texts[::2], strict=True):
        assert text == text_of(decode_words(expected(model, recording)[0], VOCABULARY))
