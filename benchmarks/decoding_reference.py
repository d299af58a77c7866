"""pyctcdecode, in an environment of its own, as it needs numpy below 2: started by benchmarks/decoding.py.

    uv run --no-project --with pyctcdecode --with 'numpy<2' [--with kenlm] python benchmarks/decoding_reference.py \
        LOGITS.npz LABELS.json [MODEL.arpa UNIGRAMS.txt ALPHA BETA]

Logits of an utterance each in the npz; a JSON list of labels. Reads orders from standard input, one a line, `BEAM
[lm]`, and answers each with a line of JSON: `seconds` of each utterance, and `texts`.
"""

import json
import logging
import sys
import time
from pathlib import Path

import numpy as np

logging.disable(logging.WARNING)
from pyctcdecode import build_ctcdecoder  # noqa: E402


def main() -> None:
    logits_file, labels_file, *rest = sys.argv[1:]
    stored = np.load(logits_file)
    logits = [stored[name] for name in stored.files]
    labels = json.loads(Path(labels_file).read_text(encoding="utf-8"))
    plain = build_ctcdecoder(labels)
    informed = None
    if rest:
        model, unigrams, alpha, beta = rest
        words = Path(unigrams).read_text(encoding="utf-8").split()
        informed = build_ctcdecoder(labels, model, words, alpha=float(alpha), beta=float(beta))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        beam, *kind = line.split()
        decoder = informed if kind else plain
        seconds, texts = [], []
        for rows in logits:
            began = time.perf_counter()
            best = decoder.decode_beams(rows, beam_width=int(beam))[0]
            seconds.append(time.perf_counter() - began)
            texts.append(best[0])
        print(json.dumps({"seconds": seconds, "texts": texts}), flush=True)


if __name__ == "__main__":
    main()
