"""Words of the transcript that may be others: what the text remembers of each, and one chosen in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtGui import QColor, QSyntaxHighlighter, QTextBlock, QTextCharFormat, QTextCursor, QTextFormat

from w2v_studio.text_stage.stage import Span, TextStage, Written

WORD_PROPERTY = QTextFormat.Property.UserProperty + 2
"""The word itself, on one of which more is known: what is typed into it or behind it gets its format too."""
CHOICES_PROPERTY = QTextFormat.Property.UserProperty + 3
"""On a word that may be another one: what it may be, as it would be written, a line each."""
UNSURE_PROPERTY = QTextFormat.Property.UserProperty + 4
"""On a word that the model was unsure of, until a person chose it."""
UNSURE_COLOUR = QColor("#c98a2b")


def written_choices(stage: TextStage, written: Written) -> list[tuple[str, ...]]:
    """For each span of `written` what it may be instead, in its letters.

    Nothing for marks, and for what several words made.
    """
    literal = TextStage(stage.rules, replace(stage.options, marks=False, commands=False))
    choices, at_start = [], True
    for span in written.spans:
        choices.append(
            _of_word(literal, span, at_start=at_start) if len(span.words) == 1 and span.glue == "none" else ()
        )
        at_start = span.ends_sentence or (at_start and not any(map(str.isalnum, span.text)))
    return choices


def mark_word(style: QTextCharFormat, text: str, choices: Sequence[str], *, is_unsure: bool) -> None:
    """Let the format of a word remember what it may be instead, and whether the model was unsure of it."""
    style.setProperty(WORD_PROPERTY, text)
    if choices:
        style.setProperty(CHOICES_PROPERTY, "\n".join(choices))
    if is_unsure:
        style.setProperty(UNSURE_PROPERTY, True)


def choices_at(cursor: QTextCursor) -> list[str]:
    """What the word at the cursor may be instead; empty where nothing is known."""
    word = _word_at(cursor)
    return _choices(word.charFormat()) if word else []


def choose(cursor: QTextCursor, text: str) -> None:
    """Put one of its choices in the place of the word at the cursor, which becomes a choice. One step to undo.

    Nothing happens where the word has no such choice any more.
    """
    word = _word_at(cursor)
    if word is None or text not in _choices(word.charFormat()):
        return
    before = word.selectedText()
    choices = [before, *(other for other in _choices(word.charFormat()) if other != text)]
    style = QTextCharFormat()
    mark_word(style, text, choices, is_unsure=False)
    style.setToolTip(f"or {', '.join(choices)}")
    word.insertText(text, style)


def next_unsure(cursor: QTextCursor) -> QTextCursor | None:
    """The next word behind the cursor that the model was unsure of, selected; the first one behind the last."""
    document = cursor.document()
    found = []
    block = document.begin()
    while block.isValid():
        found += [_selected(block, *span) for span in _unsure(block)]
        block = block.next()
    behind = (word for word in found if word.selectionStart() >= cursor.selectionEnd())
    return next(behind, found[0] if found else None)


class UnsureUnderline(QSyntaxHighlighter):
    """A dotted underline below words that the model was unsure of, as long as they are as it wrote them.

    Not part of the text: editing and undoing know nothing of it.
    """

    def highlightBlock(self, _text: str) -> None:
        """Underline the words of the current block."""
        style = QTextCharFormat()
        style.setUnderlineStyle(QTextCharFormat.UnderlineStyle.DotLine)
        style.setUnderlineColor(UNSURE_COLOUR)
        for start, end in _unsure(self.currentBlock()):
            self.setFormat(start, end - start, style)


def _unsure(block: QTextBlock) -> list[tuple[int, int]]:
    """Where in a block words are that the model was unsure of, and that nobody changed."""
    return [
        (start, end)
        for start, end, style in _pieces(block)
        if style.hasProperty(UNSURE_PROPERTY) and _is_itself(block, start, end, style)
    ]


def _word_at(cursor: QTextCursor) -> QTextCursor | None:
    """The word with choices that the cursor is in, or just behind, selected."""
    block, place = cursor.block(), cursor.positionInBlock()
    for start, end, style in _pieces(block):
        if start <= place <= end and style.hasProperty(CHOICES_PROPERTY) and _is_itself(block, start, end, style):
            return _selected(block, start, end)
    return None


def _choices(style: QTextCharFormat) -> list[str]:
    return str(style.property(CHOICES_PROPERTY)).splitlines() if style.hasProperty(CHOICES_PROPERTY) else []


def _is_itself(block: QTextBlock, start: int, end: int, style: QTextCharFormat) -> bool:
    """Whether a stretch of text is still the word that its format tells of."""
    return block.text()[start:end] == str(style.property(WORD_PROPERTY))


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
