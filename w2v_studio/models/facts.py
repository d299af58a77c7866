"""What there is to know about an installed model, for people and for JSON."""

from __future__ import annotations

from pathlib import Path

from export.bundle import Bundle


def size_bytes(folder: Path) -> int:
    """Bytes of all files of a bundle."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def model_facts(bundle: Bundle) -> list[tuple[str, str]]:
    """(label, value) in the order to show them."""
    card = bundle.card
    parity = ", ".join(f"{name} {value:.1e}" for name, value in card.parity.items())
    trained = "" if card.codebook_trained else ", not trained"
    facts = [
        ("name", card.name),
        ("folder", str(bundle.folder)),
        ("description", card.description),
        ("language", card.language),
        ("licence", card.licence),
        ("weights", f"{card.parameters / 1e6:.1f} million, {card.weights}"),
        ("size", f"{size_bytes(bundle.folder) / 1e6:.1f} MB"),
        ("features", f"{card.feature_norm} norm, {card.channels} channels"),
        ("letters", f"{len(bundle.vocabulary)} tokens"),
        (
            "codes",
            f"{card.codebook_groups} x {card.codebook_entries}{trained}",
        ),
        ("parity", parity),
        ("made from", card.origin_run),
        ("made", card.created),
    ]
    return [(label, value) for label, value in facts if value]
