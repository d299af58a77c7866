"""Tokens of a CTC head: symbols, blank and word separator; transformers' vocab.json in and out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ENGLISH_SYMBOLS = ("|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")
"""The 28 symbols of the published English models, most frequent first (reference section 16)."""


class VocabularyError(ValueError):
    """A vocabulary or a transcript that does not fit. The message names the symbol."""


@dataclass(frozen=True)
class Vocabulary:
    """Index to token. `blank` is the index of the CTC blank, `separator` the token that stands for a space."""

    tokens: tuple[str, ...]
    blank: int = 0
    separator: str = "|"
    specials: frozenset[str] = frozenset({"<pad>", "<s>", "</s>", "<unk>"})

    def __post_init__(self) -> None:
        """Refuse double tokens and a blank outside the table."""
        if len(set(self.tokens)) != len(self.tokens):
            raise VocabularyError("a vocabulary lists the same token twice")
        if not 0 <= self.blank < len(self.tokens):
            raise VocabularyError(f"blank index {self.blank} lies outside the {len(self.tokens)} tokens")

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def english(cls) -> Vocabulary:
        """The 32 tokens of the published English models, transformers' order of the specials."""
        return cls(("<pad>", "<s>", "</s>", "<unk>", *ENGLISH_SYMBOLS))

    @classmethod
    def load(cls, path: Path, blank_token: str = "<pad>", separator: str = "|") -> Vocabulary:
        """Read vocab.json (token to index). Raises VocabularyError."""
        try:
            table: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
            tokens = [token for token, _ in sorted(table.items(), key=lambda pair: pair[1])]
            if sorted(table.values()) != list(range(len(tokens))):
                raise VocabularyError(f"{path}: the indices are not 0 to {len(tokens) - 1} without gaps")
        except (OSError, AttributeError, TypeError, json.JSONDecodeError) as error:
            raise VocabularyError(f"cannot read the vocabulary {path}: {error}") from error
        if blank_token not in tokens:
            raise VocabularyError(f"{path} has no blank token {blank_token!r}")
        return cls(tuple(tokens), tokens.index(blank_token), separator)

    def save(self, path: Path) -> None:
        """Write vocab.json as transformers reads it."""
        table = {token: index for index, token in enumerate(self.tokens)}
        path.write_text(json.dumps(table, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def encode(self, text: str) -> list[int]:
        """Indices of a transcript, spaces as separators. Raises VocabularyError naming the first unknown symbol."""
        index = {token: place for place, token in enumerate(self.tokens) if token not in self.specials}
        ids = []
        for letter in " ".join(text.split()):
            token = self.separator if letter == " " else letter
            if token not in index:
                raise VocabularyError(f"{letter!r} in {text!r} is not in the vocabulary")
            ids.append(index[token])
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of merged indices (no blanks, no repeats to merge); specials vanish."""
        letters = (self.tokens[place] for place in ids)
        text = "".join(" " if token == self.separator else token for token in letters if token not in self.specials)
        return " ".join(text.split())
