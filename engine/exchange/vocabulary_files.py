"""Vocabularies as others write them: transformers' vocab.json with its special tokens, fairseq's dict.ltr.txt.

Any script is fine. The special tokens get one name each here (<pad>, <s>, </s>, <unk>); the indices stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.exchange.transformers_config import read_json
from engine.text.vocabulary import Vocabulary, VocabularyError

SPECIAL_NAMES = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
OTHER_BLANKS = ("[PAD]", "<blank>", "[BLANK]", "-")
"""Names of the blank in files that come without a tokenizer's settings; "-" is torchaudio's."""
SHOWN_LANGUAGES = 12


@dataclass(frozen=True)
class TokenizerSettings:
    """Names of the special tokens in vocab.json, the word delimiter, the language, and tokens added beside it."""

    specials: Mapping[str, str]
    delimiter: str = "|"
    language: str | None = None
    added: Mapping[str, int] = field(default_factory=dict)


def _name(value: Any) -> str | None:
    """A token is its text, or an object with its text as `content`."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def read_tokenizer_settings(folder: Path) -> TokenizerSettings:
    """From tokenizer_config.json, special_tokens_map.json and added_tokens.json, whichever are there."""
    values: dict[str, Any] = {}
    for file in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / file).is_file():
            values |= {key: value for key, value in read_json(folder / file).items() if value is not None}
    if (folder / "processor_config.json").is_file():  # transformers 5 may nest it
        nested = read_json(folder / "processor_config.json").get("tokenizer")
        values = (nested if isinstance(nested, dict) else {}) | values
    specials = {key: _name(values.get(key)) or default for key, default in SPECIAL_NAMES.items()}
    added: dict[str, int] = {}
    for place, token in (values.get("added_tokens_decoder") or {}).items():
        text = _name(token)
        if text is not None:
            added[text] = int(place)
    if (folder / "added_tokens.json").is_file():
        added |= {token: int(place) for token, place in read_json(folder / "added_tokens.json").items()}
    return TokenizerSettings(
        specials, _name(values.get("word_delimiter_token")) or "|", values.get("target_lang"), added
    )


def read_transformers_vocabulary(folder: Path, rows: int, language: str | None) -> Vocabulary:
    """The tokens of a folder's CTC head of `rows` rows. Raises VocabularyError."""
    path = folder / "vocab.json"
    if not path.is_file():
        raise VocabularyError(f"{folder} has no vocab.json: give the tokens with --vocabulary FILE")
    settings = read_tokenizer_settings(folder)
    table = choose_language(read_json(path), language or settings.language, path)
    return build_vocabulary(table, settings, rows, path)


def choose_language(values: Mapping[str, Any], language: str | None, path: Path) -> dict[str, int]:
    """The table itself, or that of `language` where there is one for each (MMS)."""
    nested = {name: table for name, table in values.items() if isinstance(table, dict)}
    if not nested:
        return _checked_table(values, path)
    if language is None and len(nested) == 1:
        language = next(iter(nested))
    if language is None or language not in nested:
        known = ", ".join(sorted(nested)[:SHOWN_LANGUAGES]) + (", ..." if len(nested) > SHOWN_LANGUAGES else "")
        wrong = f"there is no language {language!r}" if language else "it has a table for each language"
        raise VocabularyError(f"{path}: {wrong}; choose one with --language ({len(nested)} known: {known})")
    return _checked_table(nested[language], path)


def _checked_table(values: Mapping[str, Any], path: Path) -> dict[str, int]:
    wrong = [token for token, place in values.items() if isinstance(place, bool) or not isinstance(place, int)]
    if wrong or not values:
        raise VocabularyError(f"{path}: {wrong[0]!r} has no index" if wrong else f"{path} is empty")
    return dict(values)


def build_vocabulary(table: Mapping[str, int], settings: TokenizerSettings, rows: int, path: Path) -> Vocabulary:
    """One token for each of `rows` rows of the head, specials under our names. Raises VocabularyError."""
    by_place: dict[int, str] = {}
    for token, place in [*settings.added.items(), *table.items()]:
        if not 0 <= place < rows:
            if len(token) == 1:
                raise VocabularyError(f"{path}: {token!r} has the index {place}, but the head has {rows} rows")
            continue  # a special token added behind the head, which no frame can choose
        if place in by_place and by_place[place] != token and token in table and by_place[place] in table:
            raise VocabularyError(
                f"{path}: {by_place[place]!r} and {token!r} share the index {place}; keep one of them"
            )
        by_place[place] = token
    tokens = [by_place.get(place, f"<unused-{place}>") for place in range(rows)]
    blank = settings.specials["pad_token"]
    if blank not in tokens:
        raise VocabularyError(f"{path} has no {blank!r}, the padding token, which is the blank of CTC")
    place = tokens.index(blank)
    for key, ours in SPECIAL_NAMES.items():
        theirs = settings.specials[key]
        if theirs in tokens and ours not in tokens:
            tokens[tokens.index(theirs)] = ours
    return Vocabulary(tuple(tokens), place, settings.delimiter)


def read_given_vocabulary(path: Path, rows: int, language: str | None) -> Vocabulary:
    """The file that a person names: vocab.json, or fairseq's dictionary (.txt). Raises VocabularyError."""
    if path.suffix == ".txt":
        return vocabulary_of_symbols(read_fairseq_dictionary(path), rows, str(path))
    settings = read_tokenizer_settings(path.parent)
    try:
        table = choose_language(json.loads(path.read_text(encoding="utf-8")), language or settings.language, path)
    except (OSError, ValueError, AttributeError) as error:
        if isinstance(error, VocabularyError):
            raise
        raise VocabularyError(f"cannot read the vocabulary {path}: {error}") from error
    if settings.specials["pad_token"] not in table:
        found = next((name for name in OTHER_BLANKS if name in table), None)
        if found is not None:
            settings = TokenizerSettings(
                {**settings.specials, "pad_token": found}, settings.delimiter, settings.language, settings.added
            )
    return build_vocabulary(table, settings, rows, path)


def read_fairseq_dictionary(path: Path) -> list[str]:
    """Symbols of a dict.ltr.txt, one a line with its count, most frequent first. Raises VocabularyError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VocabularyError(f"cannot read the dictionary {path}: {error}") from error
    symbols = []
    for number, line in enumerate(lines, start=1):
        symbol, space, rest = line.removesuffix("#fairseq:overwrite").rstrip(" ").rpartition(" ")
        if not line.strip():
            continue
        if not space or not rest.isdigit():
            raise VocabularyError(f"{path}, line {number}: {line!r} is not a symbol and its count")
        symbols.append(symbol)
    return symbols


def vocabulary_of_symbols(symbols: Sequence[str], rows: int, origin: str) -> Vocabulary:
    """fairseq's order: four specials, then the symbols. Row 0 is the blank there under the name <s> (section 16)."""
    specials = ("<pad>", "<s>", "</s>", "<unk>")
    if len(symbols) + len(specials) != rows:
        raise VocabularyError(
            f"{origin} has {len(symbols)} symbols, with the {len(specials)} specials {len(symbols) + len(specials)}, "
            f"but the head has {rows} rows: it belongs to another checkpoint"
        )
    return Vocabulary((*specials, *symbols))
