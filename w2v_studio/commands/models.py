"""`w2v-studio models`: its options."""

from __future__ import annotations

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    """Add the command with its own commands to the subparsers."""
    models = commands.add_parser(
        "models",
        help="list, add, teach, check and remove models",
        description="The models that dictation can use: those shipped, those trained here, and published ones.",
    )
    actions = models.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the installed models, and published ones to add")
    listing.add_argument("--json", action="store_true", help="one object a line for each installed model")
    adding = actions.add_parser(
        "add",
        help="install a model",
        description="Install a model: a bundle is copied; a transformers folder, the id of a model on the Hugging Face "
        "Hub, or a fairseq or torchaudio file is converted, compared with the original, and tried.",
    )
    adding.add_argument(
        "source", metavar="PATH_OR_ID", help="folder, file, or an id such as facebook/wav2vec2-base-960h"
    )
    adding.add_argument("--name", default="", help="name of the model here (default: the source's)")
    adding.add_argument("--codebook", default="", metavar="PARENT", help="pre-trained parent to take the codebook from")
    adding.add_argument("--weights", choices=("fp32", "fp16"), default="fp32", help="fp16 halves the files")
    adding.add_argument("--language", default="en", help="language code of what it writes (default: en)")
    adding.add_argument(
        "--adapter",
        default="",
        metavar="CODE",
        help="which language of a model with several (MMS), by its own code: fra (default: --language, else its own)",
    )
    adding.add_argument("--licence", default="", help="licence of the weights, for the card")
    adding.add_argument("--force", action="store_true", help="replace the model of that name")
    info = actions.add_parser("info", help="all about one model")
    info.add_argument("model", metavar="NAME_OR_PATH")
    info.add_argument("--json", action="store_true", help="the whole card as an object")
    teaching = actions.add_parser(
        "teach",
        help="teach a model your words and turns of phrase from texts",
        description="Teach the language model of a model that finds words by phones, such as small-en, your texts. A "
        "model that came along is copied among your own first, as NAME-mine, and the copy taught; texts it knows "
        "count once.",
    )
    teaching.add_argument("model", metavar="NAME_OR_PATH")
    teaching.add_argument("texts", nargs="+", metavar="TEXT", help="UTF-8 text (.txt, .gz, .xz), or a manifest (.tsv)")
    removing = actions.add_parser("remove", help="delete a model that you added or trained")
    removing.add_argument("model", metavar="NAME_OR_PATH")
    removing.add_argument("--yes", action="store_true", help="do not ask")
    checking = actions.add_parser("check", help="run models on a sample and compare CPU and GPU")
    checking.add_argument("models", metavar="NAME_OR_PATH", nargs="*", help="default: all")
    models.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from w2v_studio.commands import installed_models

    return installed_models.run(options)
