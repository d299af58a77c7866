"""An analysis as a table of frames, CSV or JSON, for other programs. No Qt."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.text.vocabulary import Vocabulary
from w2v_studio.inspection.clip import STRIDE_SAMPLES, Clip, Page
from w2v_studio.inspection.requests import CodesAnswer, Letters, MaskedAnswer
from w2v_studio.transcripts.json_line import word_object

STRIDE_S = 0.02


@dataclass(frozen=True)
class Analysis:
    """Everything known about one page of a clip."""

    clip: Clip
    page: Page
    bundle: str
    vocabulary: Vocabulary
    codes: CodesAnswer
    masked: MaskedAnswer | None = None
    mask_seed: int = 0


def frame_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """One row a frame: its number and time in the recording, codes, likeliest token, and the same under the mask."""
    codes, masked, page = analysis.codes, analysis.masked, analysis.page
    tokens = analysis.vocabulary.tokens
    rows = []
    for frame, ids in enumerate(codes.code_ids):
        number = page.first_frame + frame
        row: dict[str, Any] = {"frame": number, "start_s": round(number * STRIDE_S, 4)}
        row |= {f"code_{group}": int(code) for group, code in enumerate(ids)}
        row |= _best(codes.letters, frame, tokens, "")
        if masked is not None:
            row["masked"] = bool(masked.mask[frame])
            row |= _best(masked.letters, frame, tokens, "under_mask_")
        rows.append(row)
    return rows


def _best(letters: Letters, frame: int, tokens: tuple[str, ...], prefix: str) -> dict[str, Any]:
    best = int(letters.probabilities[frame].argmax())
    probability = round(float(letters.probabilities[frame, best]), 5)
    return {f"{prefix}token": tokens[best], f"{prefix}probability": probability}


def as_csv(analysis: Analysis) -> str:
    """Comma-separated, one header line."""
    rows = frame_rows(analysis)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json(analysis: Analysis) -> str:
    """One object: origin, usage of the codes, words, phones of a model that knows any, and the frames as in the CSV."""
    usage, page = analysis.codes.usage, analysis.page
    content: dict[str, Any] = {
        "file": analysis.clip.path.name,
        "start_s": page.start_s,
        "end_s": page.end_s,
        "stride_samples": STRIDE_SAMPLES,
        "bundle": analysis.bundle,
        "code_perplexity": usage.code_perplexity,
        "prob_perplexity": usage.prob_perplexity,
        "pair_perplexity": usage.pair_perplexity,
        "words": [word_object(word) for word in analysis.codes.letters.words],
    }
    if analysis.codes.letters.phones:
        content["phones"] = [
            {"phone": phone.word, "start_s": phone.start_s, "end_s": phone.end_s, "probability": phone.confidence}
            for phone in analysis.codes.letters.phones
        ]
    if analysis.masked is not None:
        content["mask_seed"] = analysis.mask_seed
        content["words_under_mask"] = [word_object(word) for word in analysis.masked.letters.words]
    content["frames"] = frame_rows(analysis)
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def write_frames(analysis: Analysis, path: Path) -> None:
    """Write CSV, or JSON where the name ends so; whole or not at all. Raises OSError."""
    text = as_json(analysis) if path.suffix.lower() == ".json" else as_csv(analysis)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
