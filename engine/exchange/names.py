"""Names of weights, from other programs' to ours and back (reference section 18). Whole names are matched, never parts.

Ours are those of the pre-training model: `wav2vec2.…`, `quantizer.…`, `project_q.…`, `project_hid.…`, and `head.…` for
CTC, as transformers has them save for `lm_head`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, linalg

POSITIONS = "wav2vec2.encoder.pos_conv_embed.conv"
GAIN, DIRECTION = f"{POSITIONS}.parametrizations.weight.original0", f"{POSITIONS}.parametrizations.weight.original1"
MASK_EMBEDDING = "wav2vec2.masked_spec_embed"

Pairs = Sequence[tuple[str, str]]
"""(their name, our name): `#` stands for a layer's number, `*` for weight or bias."""

_OLD_NAMES: Pairs = (
    (f"{POSITIONS}.weight_g", GAIN),
    (f"{POSITIONS}.weight_v", DIRECTION),
    ("wav2vec2.mask_time_emb_vector", MASK_EMBEDDING),
)
"""What transformers' folders of earlier years have: the older weight norm, and another name for the mask embedding."""


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.escape(template).replace(r"\#", "#").replace("#", r"(\d+)").replace(r"\*", "(weight|bias)"))


def _fill(template: str, values: Iterable[str]) -> str:
    given = iter(values)
    return re.sub(r"[#*]", lambda _: next(given), template)


class NameMap:
    """A table of name pairs, read in both directions, and of `older` names, which are only read.

    Names outside it stay as they are if `keep_others`. Of two names for one weight, messages have the first.
    """

    def __init__(self, pairs: Pairs, *, older: Pairs = (), keep_others: bool) -> None:
        self._there = [(_pattern(theirs), ours) for theirs, ours in (*pairs, *older)]
        self._back = [(_pattern(ours), theirs) for theirs, ours in pairs]
        self._keep_others = keep_others

    def to_ours(self, name: str) -> str | None:
        """Our name; None where the program has no such weight."""
        return self._translate(name, self._there) or (name if self._keep_others else None)

    def from_ours(self, name: str) -> str:
        """Their name, for messages that a person compares with the file; ours where there is none."""
        return self._translate(name, self._back) or name

    @staticmethod
    def _translate(name: str, table: Iterable[tuple[re.Pattern[str], str]]) -> str | None:
        for pattern, template in table:
            match = pattern.fullmatch(name)
            if match:
                return _fill(template, match.groups())
        return None


TRANSFORMERS = NameMap((("lm_head.*", "head.*"),), older=_OLD_NAMES, keep_others=True)

_TRANSFORMER = "wav2vec2.encoder"
TORCHAUDIO = NameMap(
    (
        ("feature_extractor.conv_layers.#.conv.*", "wav2vec2.feature_extractor.conv_layers.#.conv.*"),
        ("feature_extractor.conv_layers.#.layer_norm.*", "wav2vec2.feature_extractor.conv_layers.#.layer_norm.*"),
        ("encoder.feature_projection.layer_norm.*", "wav2vec2.feature_projection.layer_norm.*"),
        ("encoder.feature_projection.projection.*", "wav2vec2.feature_projection.projection.*"),
        ("encoder.transformer.pos_conv_embed.conv.bias", f"{POSITIONS}.bias"),
        ("encoder.transformer.pos_conv_embed.conv.weight", f"{POSITIONS}.weight"),
        ("encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original0", GAIN),
        ("encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original1", DIRECTION),
        ("encoder.transformer.pos_conv_embed.conv.weight_g", GAIN),
        ("encoder.transformer.pos_conv_embed.conv.weight_v", DIRECTION),
        ("encoder.transformer.layer_norm.*", f"{_TRANSFORMER}.layer_norm.*"),
        *(
            (f"encoder.transformer.layers.#.{part}.*", f"{_TRANSFORMER}.layers.#.{part}.*")
            for part in (
                *(f"attention.{kind}_proj" for kind in "kvq"),
                "attention.out_proj",
                "layer_norm",
                "feed_forward.intermediate_dense",
                "feed_forward.output_dense",
                "final_layer_norm",
            )
        ),
        ("aux.*", "head.*"),
    ),
    keep_others=False,
)


def fairseq_names(layer_norm: bool) -> NameMap:
    """fairseq's names without the prefix of fine-tuned files; the norms of the convolutions have one of two places."""
    norm = "feature_extractor.conv_layers.#.2.1.*" if layer_norm else "feature_extractor.conv_layers.#.2.*"
    return NameMap(
        (
            ("feature_extractor.conv_layers.#.0.*", "wav2vec2.feature_extractor.conv_layers.#.conv.*"),
            (norm, "wav2vec2.feature_extractor.conv_layers.#.layer_norm.*"),
            ("layer_norm.*", "wav2vec2.feature_projection.layer_norm.*"),
            ("post_extract_proj.*", "wav2vec2.feature_projection.projection.*"),
            ("mask_emb", MASK_EMBEDDING),
            ("encoder.pos_conv.0.bias", f"{POSITIONS}.bias"),
            ("encoder.pos_conv.0.weight", f"{POSITIONS}.weight"),
            ("encoder.pos_conv.0.weight_g", GAIN),
            ("encoder.pos_conv.0.weight_v", DIRECTION),
            ("encoder.pos_conv.0.parametrizations.weight.original0", GAIN),
            ("encoder.pos_conv.0.parametrizations.weight.original1", DIRECTION),
            ("encoder.layer_norm.*", f"{_TRANSFORMER}.layer_norm.*"),
            *(
                (f"encoder.layers.#.self_attn.{kind}_proj.*", f"{_TRANSFORMER}.layers.#.attention.{kind}_proj.*")
                for kind in ("k", "v", "q", "out")
            ),
            ("encoder.layers.#.self_attn_layer_norm.*", f"{_TRANSFORMER}.layers.#.layer_norm.*"),
            ("encoder.layers.#.fc1.*", f"{_TRANSFORMER}.layers.#.feed_forward.intermediate_dense.*"),
            ("encoder.layers.#.fc2.*", f"{_TRANSFORMER}.layers.#.feed_forward.output_dense.*"),
            ("encoder.layers.#.final_layer_norm.*", f"{_TRANSFORMER}.layers.#.final_layer_norm.*"),
            ("quantizer.vars", "quantizer.codevectors"),
            ("quantizer.weight_proj.*", "quantizer.weight_proj.*"),
            ("project_q.*", "project_q.*"),
            ("final_proj.*", "project_hid.*"),
            ("proj.*", "head.*"),
        ),
        keep_others=False,
    )


def translate(weights: Mapping[str, Tensor], names: NameMap) -> tuple[dict[str, Tensor], list[str]]:
    """Weights under our names, in float32, and the names that have none with us."""
    known: dict[str, Tensor] = {}
    foreign: list[str] = []
    for name, value in weights.items():
        ours = names.to_ours(name)
        if ours is None or ours in known:
            foreign.append(name)
        else:
            known[ours] = value.detach().float().contiguous()
    return split_weight_norm(known), foreign


def split_weight_norm(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A folded positional convolution as gain and direction: g is the norm over dims 0 and 1 for each tap."""
    result = dict(weights)
    folded = result.pop(f"{POSITIONS}.weight", None)
    if folded is not None and GAIN not in result and folded.dim() == 3:
        result[GAIN] = linalg.vector_norm(folded, dim=(0, 1), keepdim=True)
        result[DIRECTION] = folded
    elif folded is not None:
        result[f"{POSITIONS}.weight"] = folded
    return result
