"""Downloading from a Hub: a small server here speaks its protocol, as there may be no network."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from engine.exchange import source
from engine.exchange.hub import download, is_hub_id, wanted_files
from engine.exchange.reading_options import ReadingOptions
from engine.training.checkpoint import CheckpointError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Serves one repository, someone/speech, from `folder`; notes what is fetched."""

    folder: Path
    fetched: list[str]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/api/models/someone/speech"):
            names = sorted(item.name for item in self.folder.iterdir())
            listed = [{"rfilename": name} for name in names]
            if "/tree/" in path:
                sizes = {item.name: item.stat().st_size for item in self.folder.iterdir()}
                listed = [{"type": "file", "path": name, "size": sizes[name], "oid": "0" * 40} for name in names]
                content = json.dumps(listed).encode()
            else:
                content = json.dumps({"id": "someone/speech", "sha": COMMIT, "siblings": listed}).encode()
            self._send(content, body, {"Content-Type": "application/json"})
        elif path.startswith("/someone/speech/resolve/"):
            name = path.rsplit("/", 1)[1]
            content = (self.folder / name).read_bytes()
            if body:
                self.fetched.append(name)
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
            self._send(content, body, headers)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _send(self, content: bytes, body: bool, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(published, tmp_path, monkeypatch) -> Iterator[tuple[str, type[Hub]]]:
    """(address, what serves it); the cache is the test's own."""
    folder, _ = published("ctc", "layer")
    (folder / "README.md").write_text("long words")
    torch.save({}, folder / "pytorch_model.bin")
    torch.save({}, folder / "optimizer.pt")
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    serving = type("Serving", (Hub,), {"folder": folder, "fetched": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), serving)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", serving
    server.shutdown()
    server.server_close()
    thread.join()


def test_only_what_is_needed_comes_and_imports(hub, tmp_path):
    address, serving = hub
    said: list[str] = []
    folder = download("someone/speech", ReadingOptions(say=said.append), address)
    wanted = {"config.json", "preprocessor_config.json", "vocab.json", "tokenizer_config.json", "model.safetensors"}
    assert {item.name for item in folder.iterdir()} == wanted
    assert set(serving.fetched) == wanted
    assert "model.safetensors" in said[0]
    assert folder.is_relative_to(tmp_path / "cache")
    assert source.read_source(str(folder), ReadingOptions()).kind == "ctc"
    before = len(serving.fetched)
    assert download("someone/speech", ReadingOptions(), address) == folder
    assert len(serving.fetched) == before


def test_a_repository_that_is_not_there(hub):
    with pytest.raises(CheckpointError, match="no such public repository"):
        download("nobody/nothing", ReadingOptions(), hub[0])


def test_without_network_the_sentence_says_what_to_download(hub, monkeypatch):
    closed = "http://127.0.0.1:1"
    with pytest.raises(CheckpointError) as refusal:
        download("someone/speech", ReadingOptions(), closed)
    for words in ("cannot be reached", "huggingface.co/someone/speech/tree/main", "model.safetensors", "vocab.json"):
        assert words in str(refusal.value)


def test_without_network_an_earlier_download_serves(hub):
    address, _ = hub
    first = download("someone/speech", ReadingOptions(), address)
    said: list[str] = []
    assert download("someone/speech", ReadingOptions(say=said.append), "http://127.0.0.1:1") == first
    assert "downloaded before" in said[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("facebook/wav2vec2-base", True),
        ("some.one/a_b-c.1", True),
        ("models/a/b", False),
        ("./models/a", False),
        ("/models/a", False),
        ("model.pt", False),
        ("owner/", False),
    ],
)
def test_what_looks_like_a_repository(text, expected):
    assert is_hub_id(text) is expected


def test_one_form_of_the_weights_and_one_language():
    files = ["config.json", "pytorch_model.bin", "adapter.eng.safetensors", "adapter.fra.safetensors", "train.py"]
    assert wanted_files(files, "fra") == ["config.json", "adapter.fra.safetensors", "pytorch_model.bin"]
    shards = ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert wanted_files([*shards, "pytorch_model.bin"], None) == shards
    with pytest.raises(CheckpointError, match="no weights"):
        wanted_files(["config.json"], None)


def test_nothing_by_that_name():
    with pytest.raises(CheckpointError, match="there is nothing at"):
        source.read_source("./nothing/here.pt", ReadingOptions())
