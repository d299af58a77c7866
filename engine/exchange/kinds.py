"""What a checkpoint holds: all of pre-training, a CTC recogniser, or only the network that both share."""

from __future__ import annotations

from typing import Literal

Kind = Literal["pretraining", "ctc", "backbone"]
