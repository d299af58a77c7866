"""Words of the transcript that may be others: what the text remembers of each, and one chosen in its place."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtGui import QTextBlock, QTextCharFormat, QTextCursor, QTextDocument, QTextFormat

from w2v_studio.text_stage.stage import Span, TextStage, Written

CHOICES_PROPERTY = QTextFormat.Property.UserProperty + 2
"""On a word that may be another one: what it may be, as it would be written, a line each."""
UNSURE_PROPERTY = QTextFormat.Property.UserProperty + 3
"""On a word that the model was unsure of, until a person chose it."""


def written_choices(stage: TextStage, written: Written) -> list[tuple[str, ...]]:
    """For each span of `written` what it may be instead, in its letters; nothing for what several words made."""
    literal = TextStage(stage.rules, replace(stage.options, marks=False, commands=False))
    choices, at_start = [], True
    for span in written.spans:
        choices.append(_of_word(literal, span, at_start=at_start) if len(span.words) == 1 else ())
        at_start = span.ends_sentence or (at_start and not any(map(str.isalnum, span.text)))
    return choices


def choices_at(cursor: QTextCursor) -> list[str]:
    """What the word at the cursor may be instead; empty where nothing is known."""
    word = word_at(cursor)
    return str(word.charFormat().property(CHOICES_PROPERTY)).splitlines() if word else []


def choose(cursor: QTextCursor, text: str) -> None:
    """Put one of its choices in the place of the word at the cursor; the word becomes a choice. One step to undo."""
    word = word_at(cursor)
    if word is None:
        return
    style = word.charFormat()
    before = word.selectedText()
    others = [other for other in str(style.property(CHOICES_PROPERTY)).splitlines() if other != text]
    style.setProperty(CHOICES_PROPERTY, "\n".join([before, *others]))
    style.clearProperty(UNSURE_PROPERTY)
    style.setUnderlineStyle(QTextCharFormat.UnderlineStyle.NoUnderline)
    word.insertText(text, style)


def word_at(cursor: QTextCursor) -> QTextCursor | None:
    """The word with choices that the cursor is in, or just behind, selected."""
    block, place = cursor.block(), cursor.positionInBlock()
    for start, end, style in _pieces(block):
        if start <= place <= end and style.hasProperty(CHOICES_PROPERTY):
            return _selected(block, start, end)
    return None


def next_unsure(cursor: QTextCursor) -> QTextCursor | None:
    """The next word behind the cursor that the model was unsure of, selected; the first one behind the last."""
    document: QTextDocument = cursor.document()
    found = []
    block = document.begin()
    while block.isValid():
        found += [
            _selected(block, start, end) for start, end, style in _pieces(block) if style.hasProperty(UNSURE_PROPERTY)
        ]
        block = block.next()
    behind = (word for word in found if word.selectionStart() >= cursor.selectionEnd() and word != cursor)
    return next(behind, found[0] if found else None)


def _of_word(stage: TextStage, span: Span, *, at_start: bool) -> tuple[str, ...]:
    (word,) = span.words
    written = (stage.write([replace(word, word=other)], at_start=at_start).text for other in word.alternatives)
    return tuple(dict.fromkeys(text for text in written if text and text != span.text))


def _pieces(block: QTextBlock) -> list[tuple[int, int, QTextCharFormat]]:
    """Stretches of equal format: where they begin and end in the block."""
    pieces = []
    place = block.begin()
    while not place.atEnd():
        piece = place.fragment()
        start = piece.position() - block.position()
        pieces.append((start, start + piece.length(), piece.charFormat()))
        place += 1
    return pieces


def _selected(block: QTextBlock, start: int, end: int) -> QTextCursor:
    cursor = QTextCursor(block)
    cursor.setPosition(block.position() + start)
    cursor.setPosition(block.position() + end, QTextCursor.MoveMode.KeepAnchor)
    return cursor
