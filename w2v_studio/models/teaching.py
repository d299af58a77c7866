"""Teaching a model somebody's texts: a shipped one is copied among the user's own first, an own one is changed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.text.ngram.teaching import Lesson, TeachingError, teach
from export.bundle import Bundle, BundleError, open_bundle, write_card
from w2v_studio.bundles import own_bundles_folder
from w2v_studio.models.checking import check_bundle
from w2v_studio.models.placing import copy_bundle, install

OWN_SUFFIX = "-mine"


@dataclass(frozen=True)
class Taught:
    """The model that knows the texts now, and what it learned."""

    bundle: Bundle
    lesson: Lesson


def teach_model(bundle: Bundle, texts: Sequence[Path], say: Callable[[str], None]) -> Taught:
    """Teach a model the texts, or its copy among the own ones, which it gets if it is not there yet.

    All or nothing. Raises BundleError.
    """
    is_own = bundle.folder.parent == own_bundles_folder()
    target = bundle.folder if is_own else own_bundles_folder() / f"{bundle.folder.name}{OWN_SUFFIX}"
    source = open_bundle(target) if target.exists() else bundle
    name = source.card.name if target.exists() else f"{bundle.card.name}{OWN_SUFFIX}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".teaching-", dir=target.parent) as work:
        made = Path(work) / target.name
        copy_bundle(source, made)
        write_card(made, replace(source.card, name=name))
        say(f"Teaching {name} {len(texts)} text{'s' if len(texts) > 1 else ''}")
        try:
            lesson = teach(made, texts, made, source.card.language)
        except TeachingError as error:
            raise BundleError(str(error)) from error
        say("Checking it on a sample")
        check_bundle(open_bundle(made))
        install(made, target)
    return Taught(open_bundle(target), lesson)
