import csv
import io
import json

import numpy as np

from engine.text.ctc import Word
from engine.text.vocabulary import Vocabulary
from w2v_studio.inspection.analysis import code_usage, draw_mask, letter_probabilities
from w2v_studio.inspection.clip import Clip, Page
from w2v_studio.inspection.exports import Analysis, write_frames
from w2v_studio.inspection.requests import CodesAnswer, Letters, MaskedAnswer


def make_analysis(tmp_path) -> Analysis:
    rng = np.random.default_rng(0)
    frames = 12
    probs = rng.dirichlet(np.ones(5), size=(frames, 2)).astype(np.float32)
    ids = probs.argmax(axis=-1)
    probabilities = letter_probabilities(rng.normal(size=(frames, 32)).astype(np.float32))
    letters = Letters(probabilities, (Word("A", 57, 57.1, 1),), (Word("AH", 57, 57.04, 0.5),))
    mask = draw_mask(frames, 0.65, 2, 1, seed=3)
    page = Page(57 * 16000, 57 * 16000 + frames * 320 + 80)
    clip = Clip(tmp_path / "talk.wav", np.zeros(page.end, np.float32), (Page(0, page.start), page))
    codes = CodesAnswer(1, ids, code_usage(ids, probs), letters)
    return Analysis(clip, page, "tiny", Vocabulary.english(), codes, MaskedAnswer(2, mask, letters), 3)


def test_csv_has_a_row_a_frame_on_the_recordings_clock(tmp_path):
    analysis = make_analysis(tmp_path)
    path = tmp_path / "frames.csv"
    write_frames(analysis, path)
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert len(rows) == 12
    assert rows[3]["frame"] == str(57 * 50 + 3)
    assert float(rows[3]["start_s"]) == 57.06
    assert [int(row["code_1"]) for row in rows] == analysis.codes.code_ids[:, 1].tolist()
    tokens = Vocabulary.english().tokens
    assert [row["token"] for row in rows] == [tokens[place] for place in analysis.codes.letters.path]
    assert [row["masked"] == "True" for row in rows] == analysis.masked.mask.tolist()


def test_json_has_words_and_perplexity(tmp_path):
    analysis = make_analysis(tmp_path)
    path = tmp_path / "frames.json"
    write_frames(analysis, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["file"] == "talk.wav"
    assert content["words"] == [{"word": "A", "start_s": 57, "end_s": 57.1, "confidence": 1}]
    assert content["phones"] == [{"phone": "AH", "start_s": 57, "end_s": 57.04, "probability": 0.5}]
    assert content["code_perplexity"] == analysis.codes.usage.code_perplexity
    assert content["mask_seed"] == 3
    assert len(content["frames"]) == 12
    assert list(tmp_path.iterdir()) == [path]
