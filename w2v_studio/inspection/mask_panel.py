"""The mask: its seed and rule, how much it hides, and which letters are shown."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSpinBox, QWidget

from engine.masking import Mask
from export.bundle import BundleCard
from w2v_studio.inspection.requests import Letters
from w2v_studio.theme import Theme
from w2v_studio.widgets.buttons import Button
from w2v_studio.widgets.card import Card, styled_label

LARGEST_SEED = 9999


class MaskPanel(Card):
    """Draws masks by seed and switches between the letters with and without it."""

    seed_changed = Signal(int)
    shows_masked_changed = Signal(bool)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("Mask", parent)
        self.seed = QSpinBox()
        self.seed.setObjectName("mask_seed")
        self.seed.setRange(0, LARGEST_SEED)
        self.seed.setAccessibleName("Seed of the mask")
        self.seed.setToolTip("The same seed draws the same mask, by the rule of the training")
        self.seed.setKeyboardTracking(False)
        self.seed.setMinimumHeight(36)
        self.seed.lineEdit().setTextMargins(4, 0, 0, 0)
        self.draw_button = Button(theme, "Draw again", "dice")
        self.draw_button.setObjectName("draw_mask_button")
        self.rule = styled_label("", "caption")
        self.rule.setObjectName("mask_rule")
        self.rule.setToolTip("Spans x length / frames = p; a span is so many frames of 20 ms; spans may overlap")
        self.agreement = styled_label("", "caption")
        self.agreement.setObjectName("mask_agreement")
        self.agreement.setWordWrap(True)
        self.unmasked_button = _choice("Unmasked", "show_unmasked_button", "Letters read from all latents")
        self.masked_button = _choice("Masked", "show_masked_button", "Letters read with the masked latents hidden")
        self.unmasked_button.setChecked(True)
        self._choices = QButtonGroup(self)
        self._choices.addButton(self.unmasked_button)
        self._choices.addButton(self.masked_button)
        self._lay_out()
        self.seed.valueChanged.connect(self.seed_changed)
        self.draw_button.clicked.connect(lambda: self.seed.setValue((self.seed.value() + 1) % (LARGEST_SEED + 1)))
        self.masked_button.toggled.connect(self.shows_masked_changed)

    def _lay_out(self) -> None:
        self.header.addWidget(self.rule)
        seed = QHBoxLayout()
        seed.setSpacing(8)
        seed.addWidget(styled_label("Seed", "label"))
        seed.addWidget(self.seed, 1)
        seed.addWidget(self.draw_button)
        self.body.addLayout(seed)
        shown = QHBoxLayout()
        shown.setSpacing(4)
        shown.addWidget(styled_label("Letters", "label"))
        shown.addStretch()
        shown.addWidget(self.unmasked_button)
        shown.addWidget(self.masked_button)
        self.body.addLayout(shown)
        self.body.addWidget(self.agreement)

    @property
    def shows_masked(self) -> bool:
        """Whether the letters under the mask are to be shown."""
        return self.masked_button.isChecked()

    def show_mask(self, card: BundleCard | None, mask: Mask | None) -> None:
        """The rule of the bundle, and what share this draw hides."""
        if card is None:
            self.rule.setText("needs a model")
            return
        spans = f"p {card.mask_prob:g}, spans of {card.mask_length}"
        self.rule.setText(spans if mask is None else f"{spans}: {mask.mean():.0%} masked")

    def show_agreement(self, plain: Letters | None, masked: Letters | None, mask: Mask | None) -> None:
        """How often the likeliest letter under the mask is the one that is heard without it."""
        if plain is None or masked is None or mask is None or not mask.any():
            self.agreement.setText("")
            return
        agree = float(np.mean(plain.path[mask] == masked.path[mask]))
        self.agreement.setText(f"{agree:.0%} of the masked frames keep their likeliest letter")


def _choice(text: str, name: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tip)
    button.setCheckable(True)
    button.setProperty("kind", "ghost")
    return button
