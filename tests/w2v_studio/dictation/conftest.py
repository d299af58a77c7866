import pytest

from w2v_studio.bundles import own_bundles_folder
from w2v_studio.dictation.model import DictationModel
from w2v_studio.settings import BUNDLE, Settings


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("W2V_STUDIO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def settings(home, small_bundle):
    """Settings in which the small random bundle is chosen."""
    chosen = Settings()
    chosen.set(BUNDLE, str(small_bundle))
    return chosen


@pytest.fixture
def model(qapp, settings):
    """A model with running threads, nothing loaded yet."""
    assert not own_bundles_folder().exists()
    running = DictationModel(settings)
    yield running
    running.close()


@pytest.fixture
def loaded(qtbot, model):
    """The same with its recogniser."""
    with qtbot.waitSignal(model.recognizer_ready, timeout=60_000):
        model.load_recognizer()
    return model
