"""The import rules 1 to 6 of ARCHITECTURE.md, read from the sources without running them."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("engine", "export", "w2v_studio")
QT = ("PySide6", "pyqtgraph")
TORCH = ("torch", "torchaudio", "transformers", "onnx", "onnxscript", "tensorboard")
# Rule 2: what the app may use of the other packages.
CONTRACT = (
    "engine.config",
    "engine.data.counting",
    "engine.data.manifest",
    "engine.events",
    "engine.masking",
    "engine.text",
    "export.bundle",
)
SCREENS = ("dictation", "training", "inspection")


@dataclass(frozen=True)
class Import:
    """One imported module, and where."""

    module: str
    line: int
    at_load: bool  # at the top of the module: done as soon as the module is imported
    position: int  # in the order of the file's imports


def _module_names(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, base] if base else above)
        # `from engine import events` imports the module engine.events.
        return [f"{base}.{alias.name}" for alias in node.names]
    return []


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports_of(path: Path) -> list[Import]:
    found: list[Import] = []
    package = ".".join(path.relative_to(ROOT).parent.parts)

    def visit(node: ast.AST, at_load: bool) -> None:
        for name in _module_names(node, package):
            found.append(Import(name, getattr(node, "lineno", 0), at_load, len(found)))
        inner = at_load and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            # Imports for type checkers only never run.
            visit(child, inner and not _is_type_checking(node))

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def offences(paths: list[Path], refused: Callable[[Import], bool]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in paths
        for found in imports_of(path)
        if refused(found)
    ]


def screen_files(name: str) -> list[Path]:
    return [path for screen in SCREENS for path in sorted((ROOT / "w2v_studio" / screen).glob(name))]


def test_the_sources_are_found():
    for package in OURS:
        assert len(sources(package)) > 2, f"no sources in {package}: these tests would prove nothing"


def test_imports_are_read_as_python_reads_them(tmp_path):
    path = ROOT / "w2v_studio" / "dictation" / "imagined.py"
    tree = ast.parse("from . import view\nfrom ..audio.files import read_audio\nfrom engine import events")
    package = ".".join(path.relative_to(ROOT).parent.parts)
    names = [name for node in tree.body for name in _module_names(node, package)]
    assert names == ["w2v_studio.dictation.view", "w2v_studio.audio.files.read_audio", "engine.events"]


def test_rule_1_engine_knows_neither_export_nor_app_nor_qt():
    assert not offences(sources("engine"), lambda found: within(found.module, "export", "w2v_studio", *QT))


def test_rule_1_export_knows_neither_app_nor_qt():
    assert not offences(sources("export"), lambda found: within(found.module, "w2v_studio", *QT))


def test_rule_2_the_app_uses_only_the_torch_free_contract():
    refused = offences(
        sources("w2v_studio"),
        lambda found: within(found.module, "engine", "export", *TORCH) and not within(found.module, *CONTRACT),
    )
    assert not refused


def _files_of(module: str) -> list[Path]:
    """The files that make up a module, given as `package.module` or as `package.module.name_in_it`."""
    path = ROOT.joinpath(*module.split("."))
    if path.is_dir():
        return sources(module.replace(".", "/"))
    return next(([file] for file in (path.with_suffix(".py"), path.parent.with_suffix(".py")) if file.is_file()), [])


def test_rule_2_the_contract_and_what_it_uses_is_torch_free():
    waiting, seen = [path for module in CONTRACT for path in _files_of(module)], set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            for found in imports_of(path):
                if within(found.module, "engine", "export"):
                    waiting += _files_of(found.module)
    assert len(seen) >= len(CONTRACT)
    assert not offences(sorted(seen), lambda found: within(found.module, *TORCH))


@pytest.mark.parametrize("package", OURS)
def test_rule_2_package_init_files_are_empty(package):
    init_files = [path for path in sources(package) if path.name == "__init__.py"]
    full = [str(path.relative_to(ROOT)) for path in init_files if path.stat().st_size]
    assert not full, "an import of any module in them would run this code"


def test_rule_3_onnx_runtime_loads_when_first_needed():
    """No module imports it at its top, save those in recognition/, which the app imports late (test_late_loading)."""
    paths = [path for path in sources("w2v_studio") if "recognition" not in path.parts]
    assert not offences(paths, lambda found: found.at_load and within(found.module, "onnxruntime"))


def test_rule_4_a_model_does_not_know_its_view():
    paths = [path for screen in SCREENS for path in sources(f"w2v_studio/{screen}") if "view" not in path.stem]
    views = [f"w2v_studio.{screen}.view" for screen in SCREENS]
    assert not offences(paths, lambda found: within(found.module, *views))


def test_rule_4_screens_do_not_know_each_others_views_and_models():
    """Facts on disk, such as past dictations, may be shared; what is alive is connected in app.py."""
    for screen in SCREENS:
        others = [f"w2v_studio.{other}.{part}" for other in SCREENS if other != screen for part in ("view", "model")]
        assert not offences(sources(f"w2v_studio/{screen}"), lambda found, others=others: within(found.module, *others))


def test_rule_4_widgets_know_no_screen():
    screens = [f"w2v_studio.{screen}" for screen in SCREENS]
    assert not offences(sources("w2v_studio/widgets"), lambda found: within(found.module, *screens))


def test_rule_4_audio_recognition_and_analysis_know_no_qt():
    paths = [*sources("w2v_studio/audio"), *sources("w2v_studio/recognition")]
    paths += [ROOT / "w2v_studio" / "inspection" / "analysis.py"]
    assert not offences([path for path in paths if path.exists()], lambda found: within(found.module, *QT))


# Live objects, as opposed to values such as QModelIndex() or QSize(8, 8).
LIVE = (
    "Model",
    "View",
    "Window",
    "Screen",
    "Recognizer",
    "Capture",
    "Settings",
    "Theme",
    "Thread",
    "Timer",
    "Application",
)


def _builds_a_live_object(node: ast.expr | None) -> bool:
    """Whether `node` is `SomeModel(...)`, `module.SomeView(...)` and the like."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
        return False
    name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
    return name[:1].isupper() and name.endswith(LIVE)


def test_rule_5_nothing_is_constructed_when_a_module_loads():
    built = []
    for path in sources("w2v_studio"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and _builds_a_live_object(node.value):
                built.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    assert not built, "a singleton: hand it in as an argument from app.py"


def test_rule_6_only_widgets_and_views_import_pyqtgraph():
    paths = [path for path in sources("w2v_studio") if path.parent.name != "widgets" and "view" not in path.stem]
    assert not offences(paths, lambda found: within(found.module, "pyqtgraph"))


def test_rule_6_pyqtgraph_comes_after_pyside():
    """pyqtgraph binds to the Qt binding that is already loaded."""
    wrong = []
    for path in sources("w2v_studio"):
        found = imports_of(path)
        first = {name: min((i.position for i in found if within(i.module, name)), default=None) for name in QT}
        if first["pyqtgraph"] is not None and (first["PySide6"] is None or first["PySide6"] > first["pyqtgraph"]):
            wrong.append(str(path.relative_to(ROOT)))
    assert not wrong


def test_tests_and_benchmarks_are_not_imported():
    paths = [path for package in OURS for path in sources(package)]
    assert not offences(paths, lambda found: within(found.module, "tests", "benchmarks", "pytest"))
