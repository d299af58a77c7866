"""What a person gives when adding a model: a bundle, a folder or file of another program, or a Hub id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from export.bundle import CARD_FILE, BundleError

Kind = Literal["bundle", "folder", "file", "hub"]
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
LONGEST_NAME = 60


@dataclass(frozen=True)
class ModelSource:
    """`text` as given; `path` where it is one."""

    kind: Kind
    text: str
    path: Path | None = None

    @property
    def suggested_name(self) -> str:
        """A name for the installed model, fit for a folder."""
        last = self.path.resolve().name if self.path is not None else self.text.rpartition("/")[2]
        stem = last[: -len(self.path.suffix)] if self.kind == "file" and self.path and self.path.suffix else last
        return folder_name(stem)


def folder_name(text: str) -> str:
    """`text` with everything replaced that is awkward in a folder's name; never empty."""
    plain = re.sub(r"[^\w.-]+", "-", text).strip("-.")[:LONGEST_NAME]
    return plain or "model"


def find_source(text: str) -> ModelSource:
    """What `text` names. Raises BundleError saying what may be given."""
    path = Path(text).expanduser()
    if path.is_dir():
        return ModelSource("bundle" if (path / CARD_FILE).is_file() else "folder", text, path)
    if path.is_file():
        return ModelSource("file", text, path)
    if HUB_ID.fullmatch(text):
        return ModelSource("hub", text)
    raise BundleError(
        f"there is no model at {text!r}: give the folder of a bundle, a folder made by transformers, a fairseq or "
        "torchaudio file (.pt), or the id of a model on the Hugging Face Hub, such as facebook/wav2vec2-base-960h"
    )
