"""`w2v-studio models`: list, add, info, teach, remove, check."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

from export.bundle import Bundle, BundleError
from w2v_studio.bundles import broken_bundles, default_bundle, find_bundle, installed_bundles
from w2v_studio.commands.device_table import table
from w2v_studio.commands.running import print_error
from w2v_studio.models.adding import AddingCancelledError, AddRequest, ModelAdder
from w2v_studio.models.checking import check_bundle
from w2v_studio.models.facts import model_facts, size_bytes
from w2v_studio.models.published import published_models
from w2v_studio.models.removing import remove_bundle
from w2v_studio.models.teaching import teach_model


def run(options: argparse.Namespace) -> int:
    """Carry out the action; the exit status. Raises BundleError."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": list_models,
        "add": add_model,
        "info": print_model,
        "teach": teach,
        "remove": remove_model,
        "check": check_models,
    }
    return actions[options.action](options)


def list_models(options: argparse.Namespace) -> int:
    """Installed models, the default one marked, then unusable ones, then what could be added."""
    bundles = installed_bundles()
    if options.json:
        for bundle in bundles:
            print(json.dumps(as_object(bundle), ensure_ascii=False))
        return 0
    default = default_bundle().folder if bundles else None
    rows: list[tuple[str, ...]] = [("", "name", "language", "weights", "size", "description")]
    rows += [_row(bundle, bundle.folder == default) for bundle in bundles]
    print("\n".join(table(rows)) if bundles else "No model is installed.")
    for broken in broken_bundles():
        print_error(BundleError(broken.reason))
    print("\nPublished models, fetched with `w2v-studio models add ID`:")
    offers = [(offer.id, offer.size_text, offer.title, offer.note) for offer in published_models()]
    print("\n".join(table(offers)))
    return 0


def _row(bundle: Bundle, is_default: bool) -> tuple[str, ...]:
    card = bundle.card
    weights = f"{card.parameters / 1e6:.1f} M {card.weights}"
    size = f"{size_bytes(bundle.folder) / 1e6:.1f} MB"
    return "*" if is_default else "", card.name, card.language, weights, size, card.description[:60]


def as_object(bundle: Bundle) -> dict[str, object]:
    """The card with folder and size, for JSON."""
    return {
        "folder": str(bundle.folder),
        "size_bytes": size_bytes(bundle.folder),
        **dataclasses.asdict(bundle.card),
    }


def add_model(options: argparse.Namespace) -> int:
    """Install a model, with the children's progress on standard error."""
    known = {offer.id: offer for offer in published_models()}
    offer = known.get(options.source)
    request = AddRequest(
        options.source,
        options.name,
        options.codebook,
        options.weights,
        offer.language if offer and options.language == "en" else options.language,
        options.licence or (offer.licence if offer else ""),
        options.force,
        options.adapter,
    )
    adder = ModelAdder()
    try:
        bundle = adder.add(request, lambda line: print(line, file=sys.stderr, flush=True))
    except AddingCancelledError:
        return 130
    print(f"added {bundle.card.name}: use it with --bundle {bundle.folder.name}, or choose it in the Dictate screen")
    return 0


def print_model(options: argparse.Namespace) -> int:
    """One model's card."""
    bundle = find_bundle(options.model)
    if options.json:
        print(json.dumps(as_object(bundle), ensure_ascii=False, indent=1))
        return 0
    print("\n".join(table(model_facts(bundle))))
    return 0


def teach(options: argparse.Namespace) -> int:
    """Teach a model texts, or its copy among the own ones."""
    texts = [Path(name) for name in options.texts]
    taught = teach_model(find_bundle(options.model), texts, lambda line: print(line, file=sys.stderr, flush=True))
    name = taught.bundle.folder.name
    print(f"taught {name} {taught.lesson}; use it with --bundle {name}, or choose it in the Dictate screen")
    return 0


def remove_model(options: argparse.Namespace) -> int:
    """Delete a model, after a question where somebody can answer."""
    bundle = find_bundle(options.model)
    if not options.yes:
        if not sys.stdin.isatty():
            raise BundleError(f"nobody can be asked whether to delete {bundle.folder}: add --yes")
        if input(f"Delete {bundle.card.name} ({bundle.folder})? [y/N] ").strip().lower() not in ("y", "yes"):
            return 1
    remove_bundle(bundle)
    print(f"removed {bundle.card.name}")
    return 0


def check_models(options: argparse.Namespace) -> int:
    """Run each; 1 if any does not work."""
    status = 0
    bundles = [find_bundle(name) for name in options.models] if options.models else installed_bundles()
    for bundle in bundles:
        try:
            found = check_bundle(bundle)
        except BundleError as error:
            status = 1
            print_error(error)
            continue
        speed = f"{1 / found.seconds_per_second:.0f} times as fast as speech on this CPU"
        gpu = (
            f"GPU within {found.provider_difference:.1e} of the CPU"
            if found.provider_difference is not None
            else f"no GPU: {found.provider_reason}"
        )
        print(f"{bundle.card.name}: works; {speed}; {gpu}; sample: {found.text!r}")
    if not options.models:
        for broken in broken_bundles():
            status = 1
            print_error(BundleError(broken.reason))
    return status
