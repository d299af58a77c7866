"""w2v-export: checkpoint in, bundle out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="w2v-export",
        description="Turn a fine-tuned checkpoint into a bundle, the folder that w2v studio opens. The ONNX graphs are "
        "compared with PyTorch first; a bundle that differs by more than 1e-4 is not written.",
    )
    parser.add_argument("source", type=Path, metavar="CHECKPOINT_OR_RUN", help="a .pt file or a run's folder")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to write")
    parser.add_argument(
        "--format",
        choices=("bundle", "hf"),
        default="bundle",
        help="hf writes one graph with transformers' names and settings, for Optimum and transformers.js; always fp32",
    )
    parser.add_argument("--name", default="", help="name shown to people (default: the folder's name)")
    parser.add_argument(
        "--weights",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="fp16 halves the files; int8 is for CPUs, and refused where it shows no gain or more errors here",
    )
    parser.add_argument(
        "--check",
        type=Path,
        metavar="MANIFEST",
        help="speech in the model's language that precisions are measured on (default: the clips that come along)",
    )
    parser.add_argument(
        "--measure",
        choices=("all", "chosen", "none"),
        default="all",
        help="which precisions the bundle's table has: with fp32 int8 too, the wanted one, or no table (default: all)",
    )
    parser.add_argument("--description", default="", help="a sentence on data and use (default: the preset's name)")
    parser.add_argument("--licence", default="", help="licence of the weights")
    parser.add_argument("--language", default="en", help="language code of the transcripts")
    parser.add_argument(
        "--trainable",
        action="store_true",
        help="also keep the weights for PyTorch (in 16 bits), so that others can fine-tune the bundle",
    )
    parser.add_argument("--force", action="store_true", help="replace a bundle that is already there")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        return _export(arguments)
    except KeyboardInterrupt:
        print("w2v-export: stopped; nothing was written", file=sys.stderr)
        return 130
    except ImportError as error:
        print(
            f"w2v-export: {error.name or error} is missing: install the export packages (uv sync --extra export)",
            file=sys.stderr,
        )
    except OSError as error:
        print(f"w2v-export: {error.filename or arguments.out}: {error.strerror or error}", file=sys.stderr)
    except ValueError as error:  # ExportError, CheckpointError, ConfigError, BundleError, VocabularyError
        print(f"w2v-export: {error}", file=sys.stderr)
    return 1


def _export(arguments: argparse.Namespace) -> int:
    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    if arguments.format == "hf":
        return _export_for_transformers(arguments, say)
    from export.publish import BundleRequest, publish  # torch loads in seconds: not for --help

    request = BundleRequest(
        arguments.name,
        arguments.weights,
        arguments.description,
        arguments.licence,
        arguments.language,
        arguments.force,
        arguments.measure,
        arguments.check,
        arguments.trainable,
    )
    card = publish(arguments.source, arguments.out, request, say)
    size = sum(item.stat().st_size for item in arguments.out.iterdir())
    say(f"wrote {arguments.out}: {card.name}, {card.parameters / 1e6:.1f} million weights, {size / 1e6:.1f} MB")
    return 0


def _export_for_transformers(arguments: argparse.Namespace, say: Callable[[str], None]) -> int:
    from export.transformers_onnx import publish_for_transformers

    if arguments.weights != "fp32":
        raise ValueError(f"--format hf stores fp32: leave out --weights {arguments.weights}")
    difference = publish_for_transformers(arguments.source, arguments.out, arguments.force, say)
    say(f"wrote {arguments.out}; logits differ from PyTorch by at most {difference:.2g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
