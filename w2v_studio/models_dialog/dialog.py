"""The models window: what is installed, what is known about it, and ways to more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from engine.text.ngram.teaching import can_be_taught
from export.bundle import Bundle, BundleError
from w2v_studio.bundles import broken_bundles, installed_bundles, own_bundles_folder
from w2v_studio.models.adding import AddRequest, ModelAdder
from w2v_studio.models.checking import BundleCheck
from w2v_studio.models.facts import model_facts, size_bytes
from w2v_studio.models.published import PublishedModel, published_models
from w2v_studio.models.removing import remove_bundle
from w2v_studio.models.teaching import Taught
from w2v_studio.models_dialog.tasks import ModelTasks
from w2v_studio.theme import GRID_PX, Theme
from w2v_studio.widgets.buttons import Button
from w2v_studio.widgets.card import Card, Notice, rule, styled_label

BUNDLE_ROLE = Qt.ItemDataRole.UserRole


class ModelsDialog(QDialog):
    """Not modal: dictation goes on beside it. `use_requested(folder)` asks to dictate with a model."""

    use_requested = Signal(str)
    models_changed = Signal()

    def __init__(
        self,
        theme: Theme,
        make_adder: Callable[[], ModelAdder] = ModelAdder,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Models")
        self.setObjectName("models_dialog")
        self._theme = theme
        self.tasks = ModelTasks(make_adder, self)
        self.list = QListWidget()
        self.list.setObjectName("models_list")
        self.list.setAccessibleName("Installed models")
        self.list.setMinimumWidth(210)
        self.notice = Notice(theme)
        self.progress = styled_label("", "muted")
        self.progress.setObjectName("models_progress")
        self.progress.setWordWrap(True)
        self.source = QLineEdit()
        self.source.setObjectName("models_source")
        self.source.setPlaceholderText("Folder, file, or an id such as facebook/wav2vec2-base-960h")
        self.source.setAccessibleName("Model to add")
        self.use_button = Button(theme, "Dictate with it", "check", "primary")
        self.check_button = Button(theme, "Check")
        self.teach_button = Button(theme, "Teach it your texts")
        self.teach_button.setToolTip(
            "Texts of yours (.txt) tell the language model your words, names and turns of phrase. A model that came "
            "along is copied among your own first."
        )
        self.remove_button = Button(theme, "Remove", "clear", "ghost")
        self.add_button = Button(theme, "Add", "plus")
        self.browse_button = Button(theme, "Folder", "folder", "ghost")
        self.cancel_button = Button(theme, "Cancel", "stop", "ghost")
        self._offers: list[Button] = []
        self._facts = QGridLayout()
        self._build()
        self._connect()
        self.resize(920, 640)
        self.refresh()

    def refresh(self, chosen: Path | None = None) -> None:
        """List the models anew, with `chosen` (or the one before) selected."""
        current = self.current()
        wanted = chosen or (current.folder if current else None)
        self.list.clear()
        for bundle in installed_bundles():
            item = QListWidgetItem(
                f"{bundle.card.name}\n{size_bytes(bundle.folder) / 1e6:.0f} MB, {bundle.card.language}"
            )
            item.setData(BUNDLE_ROLE, bundle)
            item.setSizeHint(QSize(0, 52))
            self.list.addItem(item)
            if bundle.folder == wanted:
                self.list.setCurrentItem(item)
        for broken in broken_bundles():
            item = QListWidgetItem(f"{broken.folder.name}\ncannot be used")
            item.setToolTip(broken.reason)
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            item.setSizeHint(QSize(0, 52))
            self.list.addItem(item)
        if self.list.currentItem() is None:
            self.list.setCurrentRow(0)
        self._show_facts()

    def current(self) -> Bundle | None:
        """The chosen model."""
        item = self.list.currentItem()
        bundle = item.data(BUNDLE_ROLE) if item is not None else None
        return bundle if isinstance(bundle, Bundle) else None

    def add(self, source: str, offer: PublishedModel | None = None) -> None:
        """Begin to add a model."""
        if not source.strip() or self.tasks.is_busy:
            return
        self.notice.clear()
        language, licence = (offer.language, offer.licence) if offer else ("en", "")
        self.tasks.add(AddRequest(source.strip(), language=language, licence=licence))
        self._show_busy()

    # -- building ------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(2 * GRID_PX)
        column.addWidget(styled_label("Models", "title"))
        column.addWidget(self.notice)
        row = QHBoxLayout()
        row.setSpacing(2 * GRID_PX)
        row.addWidget(self.list)
        row.addWidget(self._build_facts(), 1)
        column.addLayout(row, 1)
        column.addWidget(self._build_adding())

    def _build_facts(self) -> QWidget:
        card = Card()
        inner = QWidget()
        inner.setLayout(self._facts)
        self._facts.setColumnStretch(1, 1)
        self._facts.setVerticalSpacing(6)
        self._facts.setHorizontalSpacing(2 * GRID_PX)
        area = QScrollArea()
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        card.body.addWidget(area, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.use_button)
        buttons.addWidget(self.check_button)
        buttons.addWidget(self.teach_button)
        buttons.addStretch(1)
        buttons.addWidget(self.remove_button)
        card.body.addLayout(buttons)
        return card

    def _build_adding(self) -> QWidget:
        card = Card("Add a model")
        row = QHBoxLayout()
        row.addWidget(self.source, 1)
        row.addWidget(self.browse_button)
        row.addWidget(self.add_button)
        card.body.addLayout(row)
        card.body.addWidget(rule())
        offers = QGridLayout()
        offers.setHorizontalSpacing(2 * GRID_PX)
        for line, offer in enumerate(published_models()):
            button = Button(self._theme, f"Get {offer.size_text}", "", "secondary")
            button.setAccessibleName(f"Download {offer.title}, {offer.size_text}")
            button.setToolTip(f"{offer.id}, {offer.licence}. {offer.note}")
            button.clicked.connect(lambda _on=False, offer=offer: self.add(offer.id, offer))
            self._offers.append(button)
            offers.addWidget(styled_label(offer.title, "body"), line // 2, 3 * (line % 2))
            offers.addWidget(styled_label(offer.id, "muted"), line // 2, 3 * (line % 2) + 1)
            offers.addWidget(button, line // 2, 3 * (line % 2) + 2)
        offers.setColumnStretch(1, 1)
        offers.setColumnStretch(4, 1)
        card.body.addLayout(offers)
        row = QHBoxLayout()
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel_button)
        card.body.addLayout(row)
        return card

    def _connect(self) -> None:
        self.list.currentItemChanged.connect(lambda _now, _before: self._show_facts())
        self.list.itemDoubleClicked.connect(lambda _item: self._use())
        self.use_button.clicked.connect(self._use)
        self.check_button.clicked.connect(self._check)
        self.teach_button.clicked.connect(self._teach)
        self.remove_button.clicked.connect(self._remove)
        self.add_button.clicked.connect(lambda: self.add(self.source.text()))
        self.source.returnPressed.connect(lambda: self.add(self.source.text()))
        self.source.textChanged.connect(lambda _text: self._show_busy())
        self.browse_button.clicked.connect(self._browse)
        self.cancel_button.clicked.connect(self.tasks.cancel)
        self.tasks.progressed.connect(self.progress.setText)
        self.tasks.added.connect(self._show_added)
        self.tasks.checked.connect(self._show_check)
        self.tasks.taught.connect(self._show_taught)
        self.tasks.failed.connect(lambda sentence: self.notice.say(sentence, "error"))
        self.tasks.cancelled.connect(lambda: self.notice.say("Cancelled; nothing was installed", "info"))
        self.tasks.ended.connect(self._show_busy)
        self._show_busy()

    # -- doing ---------------------------------------------------------------------------------------------------

    def _use(self) -> None:
        bundle = self.current()
        if bundle is not None:
            self.use_requested.emit(str(bundle.folder))

    def _check(self) -> None:
        bundle = self.current()
        if bundle is not None:
            self.tasks.check(bundle)
            self.progress.setText(f"Checking {bundle.card.name}")
            self._show_busy()

    def _teach(self) -> None:
        bundle = self.current()
        chosen, _ = QFileDialog.getOpenFileNames(
            self, "Texts to teach", str(Path.home()), "Texts (*.txt *.md *.gz *.xz *.tsv);;All files (*)"
        )
        if bundle is not None and chosen:
            self.notice.clear()
            self.tasks.teach(bundle, [Path(name) for name in chosen])
            self._show_busy()

    def _remove(self) -> None:
        bundle = self.current()
        if bundle is None:
            return
        question = f"Delete {bundle.card.name} from {bundle.folder}? It cannot be brought back."
        if QMessageBox.question(self, "Remove the model", question) != QMessageBox.StandardButton.Yes:
            return
        try:
            remove_bundle(bundle)
        except (BundleError, OSError) as error:
            self.notice.say(str(error), "error")
            return
        self.refresh()
        self.models_changed.emit()

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a model", str(Path.home()))
        if folder:
            self.source.setText(folder)

    # -- showing -------------------------------------------------------------------------------------------------

    def _show_facts(self) -> None:
        while (taken := self._facts.takeAt(0)) is not None:
            widget = taken.widget()
            if widget is not None:
                widget.hide()  # it is drawn until it is deleted
                widget.deleteLater()
        bundle = self.current()
        for line, (label, value) in enumerate(model_facts(bundle) if bundle else []):
            shown = styled_label(value, "body")
            shown.setWordWrap(True)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            caption: QLabel = styled_label(label.capitalize(), "muted")
            self._facts.addWidget(caption, line, 0, Qt.AlignmentFlag.AlignTop)
            self._facts.addWidget(shown, line, 1)
        self._facts.setRowStretch(self._facts.rowCount(), 1)
        self._show_busy()

    def _show_busy(self) -> None:
        busy, bundle = self.tasks.is_busy, self.current()
        own = bundle is not None and bundle.folder.parent == own_bundles_folder()
        self.use_button.setEnabled(bundle is not None)
        self.check_button.setEnabled(bundle is not None and not busy)
        self.teach_button.setEnabled(bundle is not None and can_be_taught(bundle.folder) and not busy)
        self.remove_button.setEnabled(own and not busy)
        self.add_button.setEnabled(bool(self.source.text().strip()) and not busy)
        for button in (*self._offers, self.browse_button):
            button.setEnabled(not busy)
        self.cancel_button.setVisible(self.tasks.can_be_cancelled)
        self.progress.setVisible(busy)

    def _show_added(self, bundle: Bundle) -> None:
        self.source.clear()
        self.refresh(bundle.folder)
        self.notice.say(f"{bundle.card.name} is installed", "info")
        self.models_changed.emit()

    def _show_taught(self, taught: Taught) -> None:
        self.refresh(taught.bundle.folder)
        self.notice.say(f"Taught {taught.bundle.card.name} {taught.lesson}. Dictate with it to use them", "info")
        self.models_changed.emit()

    def _show_check(self, bundle: Bundle, found: BundleCheck) -> None:
        speed = f"{1 / found.seconds_per_second:.0f} times as fast as speech on this processor"
        gpu = (
            f"the GPU agrees within {found.provider_difference:.1e}"
            if found.provider_difference is not None
            else f"no GPU is used: {found.provider_reason}"
        )
        self.notice.say(f"{bundle.card.name} works, {speed}; {gpu}", "info")

    # -- events --------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete removes; Enter does not press a button by accident."""
        if event.key() == Qt.Key.Key_Delete and self.list.hasFocus() and self.remove_button.isEnabled():
            self._remove()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
        else:
            super().keyPressEvent(event)
