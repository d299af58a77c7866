"""A repository of the Hugging Face Hub: only the files needed, with progress, and what to do without network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from engine.exchange.reading_options import ReadingOptions
from engine.exchange.transformers_folder import CODEBOOK_FILE, WEIGHT_FILES
from engine.training.checkpoint import CheckpointError

SETTINGS_FILES = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "vocab.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    CODEBOOK_FILE,
)
HUB = "https://huggingface.co"


def is_hub_id(text: str) -> bool:
    """Whether `text` has the form owner/name."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", text) is not None


def wanted_files(files: Sequence[str], language: str | None) -> list[str]:
    """Those of a repository that an import reads: the settings and one form of the weights. Raises CheckpointError."""
    wanted = [name for name in SETTINGS_FILES if name in files]
    if language is not None:
        wanted += [name for name in files if name == f"adapter.{language}.safetensors"]
    for name in WEIGHT_FILES:
        if name in files:
            pattern = name.removesuffix(".index.json").replace(".", "-*.") if name.endswith(".index.json") else name
            return [*wanted, *dict.fromkeys((name, *(other for other in files if fnmatch(other, pattern))))]
    raise CheckpointError(f"the repository holds no weights: it needs one of {', '.join(WEIGHT_FILES)}")


def download(repository: str, options: ReadingOptions, endpoint: str | None = None) -> Path:
    """The local folder of the repository's files, downloaded unless the cache has them. Raises CheckpointError."""
    try:
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError
    except ImportError as error:
        raise CheckpointError(
            f"{repository} is no folder here, and huggingface_hub, which could download it, is not installed: "
            "pip install 'w2v-studio[train]'"
        ) from error
    try:
        files = HfApi(endpoint=endpoint).list_repo_files(repository, revision=options.revision)
        chosen = wanted_files(files, options.language)
        options.say(f"downloading {', '.join(chosen)} of {repository}")
        return Path(snapshot_download(repository, revision=options.revision, allow_patterns=chosen, endpoint=endpoint))
    except CheckpointError as error:
        raise CheckpointError(f"{repository}: {error}") from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"there is no folder or file {repository!r} here and no such public repository on the Hub (for a private "
            "or gated one, log in with `hf auth login`)"
        ) from error
    except (HFValidationError, HfHubHTTPError) as error:
        raise CheckpointError(f"the Hub refuses {repository}: {str(error).splitlines()[0]}") from error
    except Exception as error:  # no network shows in many ways: sockets, proxies, timeouts, offline mode
        return _cached(repository, options, error)


def _cached(repository: str, options: ReadingOptions, error: Exception) -> Path:
    """What an earlier download left, or CheckpointError that says how to get the files by hand."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, revision=options.revision, local_files_only=True))
        options.say(f"the Hub cannot be reached; using the copy downloaded before, {folder}")
    except (LocalEntryNotFoundError, OSError, ValueError):
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{repository} is no folder here, and the Hub cannot be reached ({reason}). On a computer with network, "
            f"download from {HUB}/{repository}/tree/{options.revision or 'main'} the files config.json, "
            "preprocessor_config.json, vocab.json, tokenizer_config.json, special_tokens_map.json (those that are "
            "there) and model.safetensors or pytorch_model.bin into one folder, and give that folder instead"
        ) from error
    return folder
