"""Published models that the program offers, from resources/models/published.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from w2v_studio.assets import bundled_models_folder


@dataclass(frozen=True)
class PublishedModel:
    """A model on the Hugging Face Hub; `download_mb` in millions of bytes."""

    id: str
    title: str
    language: str
    download_mb: int
    licence: str
    note: str

    @property
    def size_text(self) -> str:
        """How much is downloaded, for people."""
        return f"{self.download_mb} MB" if self.download_mb < 1000 else f"{self.download_mb / 1000:.1f} GB"


def published_models() -> list[PublishedModel]:
    """All of them, the one to try first first."""
    content = tomllib.loads((bundled_models_folder() / "published.toml").read_text(encoding="utf-8"))
    return [PublishedModel(**entry) for entry in content["model"]]
