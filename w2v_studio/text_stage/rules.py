"""What a language says for marks, lines and commands, read from resources/text_rules/LANGUAGE.toml.

numbers = "en"                  language of text2num; without it numbers stay words
digits_from = 10                smaller numbers that stand alone stay words
years_in_pairs = true           "nineteen ninety nine" is 1999
not_numbers = ["o"]             never part of a number
capitals = ["I", "Monday"]      words that are always written so

[[mark]]                        glue: which side clings to its neighbour: left (,), right (opening), both (-), none
write = ","
say = ["comma"]
glue = "left"
ends_sentence = false

[[line]]
write = "\n"
say = ["new line"]

[[command]]                     do: scratch, capitalize, upper, literal
do = "scratch"
say = ["scratch that"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from w2v_studio.assets import resources_folder

Glue = Literal["left", "right", "both", "none"]
Order = Literal["scratch", "capitalize", "upper", "literal"]
Phrase = tuple[str, ...]
LONGEST_INITIALS = 5
"""Letters of a word that may be meant to be written in capitals: NASA."""


class TextRulesError(ValueError):
    """A rule file that cannot be used. The message names the file, the rule and the remedy."""


@dataclass(frozen=True)
class Mark:
    """A spoken punctuation mark or line break."""

    write: str
    glue: Glue = "left"
    ends_sentence: bool = False

    @property
    def is_break(self) -> bool:
        """Whether it starts a new line."""
        return "\n" in self.write


@dataclass(frozen=True)
class Command:
    """A spoken order."""

    do: Order


@dataclass(frozen=True)
class TextRules:
    """The rules of a language; `phrases` maps spoken words (case folded) to what they mean."""

    language: str = ""
    numbers: str | None = None
    digits_from: float = 10.0
    years_in_pairs: bool = False
    not_numbers: frozenset[str] = frozenset()
    capitals: dict[str, str] = field(default_factory=dict)
    phrases: dict[Phrase, Mark | Command] = field(default_factory=dict)
    names: dict[Phrase, Phrase] = field(default_factory=dict)
    """Phrases (case folded) that are written in letters of their own: `with_names`."""

    @property
    def longest_phrase(self) -> int:
        """Words in the longest spoken form."""
        return max((len(phrase) for phrase in self.phrases), default=0)

    def with_names(self, phrases: Iterable[str]) -> TextRules:
        """The same rules with phrases that are written as given, such as a user's hotwords: Ada Lovelace, NASA.

        Those in small letters have nothing to tell, nor have those in capitals alone, which is how models write
        anything, unless a short word is spelled so.
        """
        names = {}
        for phrase in phrases:
            is_loud = phrase.isupper() and (len(phrase) > LONGEST_INITIALS or " " in phrase)
            if phrase != phrase.lower() and not is_loud:
                names[tuple(phrase.casefold().split())] = tuple(phrase.split())
        return replace(self, names=names)


def rules_folder() -> Path:
    """Where the rule files are."""
    return resources_folder() / "text_rules"


def languages() -> list[str]:
    """Languages that have rules."""
    return sorted(path.stem for path in rules_folder().glob("*.toml"))


def rules_for(language: str) -> TextRules:
    """The rules of `language` (a code such as en or en-GB); empty where there is no file. Raises TextRulesError."""
    code = language.split("-")[0].split("_")[0].lower()
    path = rules_folder() / f"{code}.toml"
    return load_rules(path) if code.isalpha() and path.is_file() else TextRules(code)


def load_rules(path: Path) -> TextRules:
    """Read a rule file. Raises TextRulesError."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        return _rules(path.stem, values)
    except (OSError, tomllib.TOMLDecodeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise TextRulesError(
            f"the text rules {path} cannot be used ({error}): correct the file or remove it"
        ) from error


def _rules(language: str, values: dict[str, Any]) -> TextRules:
    known = {"numbers", "digits_from", "years_in_pairs", "not_numbers", "capitals", "mark", "line", "command"}
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ValueError(f"unknown keys {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    phrases: dict[Phrase, Mark | Command] = {}
    for entry in values.get("mark", []):
        glue = entry.get("glue", "left")
        if glue not in get_args(Glue):
            raise ValueError(f"glue {glue!r} is none of {', '.join(get_args(Glue))}")
        _add(phrases, entry["say"], Mark(str(entry["write"]), glue, bool(entry.get("ends_sentence", False))))
    for entry in values.get("line", []):
        _add(phrases, entry["say"], Mark(str(entry["write"]), "both", True))
    for entry in values.get("command", []):
        if entry["do"] not in get_args(Order):
            raise ValueError(f"command {entry['do']!r} is none of {', '.join(get_args(Order))}")
        _add(phrases, entry["say"], Command(entry["do"]))
    return TextRules(
        language,
        values.get("numbers"),
        float(values.get("digits_from", 10)),
        bool(values.get("years_in_pairs", False)),
        frozenset(str(word).lower() for word in values.get("not_numbers", [])),
        {str(word).lower(): str(word) for word in values.get("capitals", [])},
        phrases,
    )


def _add(phrases: dict[Phrase, Mark | Command], spoken: list[str], meaning: Mark | Command) -> None:
    for text in spoken:
        phrase = tuple(text.casefold().split())
        if not phrase or phrase in phrases:
            raise ValueError(f"the spoken form {text!r} is empty or given twice")
        phrases[phrase] = meaning
