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
    return [(label, value) for label, value in [*facts, *precision_facts(bundle)] if value]


def precision_facts(bundle: Bundle) -> list[tuple[str, str]]:
    """What each precision costs and gives, as the export measured it; nothing for bundles that were not measured."""
    measured = bundle.card.precisions
    if measured is None:
        return []
    facts = [
        ("measured on", f"{measured.check}: {measured.clips} clips, {measured.audio_s:.0f} s; {measured.processor}")
    ]
    for row in measured.rows:
        errors = f", {row.wer:.1%} of the words wrong" if row.wer is not None else ""
        speed = f"{row.seconds_per_audio_second:.3f} s of computing for a second of speech"
        mark = " (in use)" if row.weights == bundle.card.weights else ""
        facts.append((f"as {row.weights}{mark}", f"{row.size_bytes / 1e6:.1f} MB, {speed}{errors}"))
    return facts
