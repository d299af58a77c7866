"""Options that several commands share. Only the standard library, as help is answered from here."""

from __future__ import annotations

import argparse


def add_recognition_options(parser: argparse.ArgumentParser) -> None:
    """--bundle and --provider, as `running.open_recognizer` reads them."""
    parser.add_argument(
        "--bundle",
        metavar="NAME_OR_PATH",
        help="model to use (default: $W2V_STUDIO_BUNDLE, or else the first installed one)",
    )
    parser.add_argument(
        "--provider",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to compute; auto takes a GPU when it works (default: auto)",
    )


def add_decoding_options(parser: argparse.ArgumentParser) -> None:
    """--decoding and what belongs to it, as `decoding.decoding_settings` reads them."""
    parser.add_argument(
        "--decoding",
        choices=("auto", "greedy", "beam", "lm"),
        default="auto",
        help="the best letter each 20 ms (greedy), beam search, or beam search with a language model; auto takes lm "
        "where the bundle has a language model or one is given, else greedy (default: auto)",
    )
    parser.add_argument("--beam-width", type=count, metavar="N", help="hypotheses of a beam (default: the model's)")
    parser.add_argument(
        "--language-model", metavar="FILE", help="ARPA or KenLM file for lm (default: the bundle's own)"
    )
    parser.add_argument(
        "--lexicon",
        metavar="FILE",
        help="words for lm, spelled in letters, or in phones for a model that knows them (default: the bundle's own)",
    )
    parser.add_argument("--hotwords", metavar="FILE", help="phrases to listen for, one a line")


def add_format_option(parser: argparse.ArgumentParser, json_help: str) -> None:
    """--format text or json."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help=f"{json_help} (default: text)")


def seconds(text: str) -> float:
    """A length of time above 0, in seconds."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return value


def count(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return value
