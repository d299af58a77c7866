"""A repository of the Hugging Face Hub: only the files needed, with progress, and what to do without network."""

from __future__ import annotations

import contextlib
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
TIMEOUT_S = 20.0


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
            return [*wanted, *dict.fromkeys((name, *(other for other in files if fnmatch(other, shard_pattern(name)))))]
    raise CheckpointError(f"the repository holds no weights: it needs one of {', '.join(WEIGHT_FILES)}")


def shard_pattern(name: str) -> str:
    """The files that an index lists: model-00001-of-00002.safetensors; the name itself where it is no index."""
    return name.removesuffix(".index.json").replace(".", "-*.") if name.endswith(".index.json") else name


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
        # one request that does not repeat itself: without network, the sentence below comes at once
        listed = HfApi(endpoint=endpoint).model_info(repository, revision=options.revision, timeout=TIMEOUT_S)
        files = [item.rfilename for item in listed.siblings or ()]
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

    for name in WEIGHT_FILES:
        patterns = [*SETTINGS_FILES, f"adapter.{options.language}.safetensors", name, shard_pattern(name)]
        with contextlib.suppress(OSError, ValueError):  # not there, or not whole
            folder = Path(
                snapshot_download(repository, revision=options.revision, allow_patterns=patterns, local_files_only=True)
            )
            if (folder / name).is_file():
                options.say(f"the Hub cannot be reached; using the copy downloaded before, {folder}")
                return folder
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    raise CheckpointError(
        f"{repository} is no folder here, and the Hub cannot be reached ({reason}). On a computer with network, "
        f"download from {HUB}/{repository}/tree/{options.revision or 'main'} the files config.json, "
        "preprocessor_config.json, vocab.json, tokenizer_config.json, special_tokens_map.json (those that are "
        "there) and model.safetensors or pytorch_model.bin into one folder, and give that folder instead"
    ) from error
