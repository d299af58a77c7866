"""./studio itself, in a small checkout of its own: the real script and real Python environments, and a `uv`, an
`apt-get` and a list of libraries that this test writes, so that nothing is downloaded or installed."""

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = [
    "bash",
    "sh",
    "env",
    "cat",
    "chmod",
    "cut",
    "sed",
    "grep",
    "tail",
    "tr",
    "sort",
    "uname",
    "dirname",
    "readlink",
    "mkdir",
    "rm",
    "cksum",
]

# Makes an environment as uv would, with a w2v-studio that shows how it was called.
UV = """#!/bin/sh
echo "uv $*" >>"$CALLS"
if [ "$1" = --version ]; then echo "uv 0.13.9 (test)"; exit 0; fi
[ -z "${UV_FAILS:-}" ] || exit 2
"$PYTHON" -m venv --without-pip .venv
printf '#!/bin/sh\\necho "w2v-studio in $PWD:"\\nfor a; do echo "<$a>"; done\\nexit 7\\n' >.venv/bin/w2v-studio
chmod +x .venv/bin/w2v-studio
"""
ALL_LIBRARIES = """#!/bin/sh
sed -n 's/.* \\(lib[^ ]*\\.so\\.[0-9]*\\)$/ \\1 (libc6) => \\1/p' "$CHECKOUT/studio"
"""
NO_LIBRARIES = "#!/bin/sh\n"
APT_GET = """#!/bin/sh
echo "apt-get $*" >>"$CALLS"
echo "E: Unable to fetch some archives"
exit 100
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the script's apt and ldconfig parts are for Linux")


class Checkout:
    """A folder with ./studio and a PATH that holds only what this test puts there."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.programs = folder / "programs"
        self.calls_file = folder / "calls.txt"
        for made in (self.root, self.programs):
            made.mkdir()
        for name in ("studio", "pyproject.toml"):
            shutil.copy(ROOT / name, self.root / name)
        for name in TOOLS:
            (self.programs / name).symlink_to(shutil.which(name) or f"/bin/{name}")
        # `compgen` finds the ALSA plugin only where it is installed: the script's proof for it becomes a library here.
        studio = self.root / "studio"
        lines = studio.read_text().splitlines()
        studio.write_text("\n".join(line for line in lines if "libasound_module" not in line) + "\n")
        self.program("uv", UV)
        self.program("ldconfig", ALL_LIBRARIES)
        self.program("id", "#!/bin/sh\necho 1000\n")

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        # Away with a link first: writing through it would change the machine's own program.
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def studio(self, *arguments: str, script: Path | None = None, cwd: Path | None = None, **environment: str):
        return subprocess.run(
            [script or self.root / "studio", *arguments],
            cwd=cwd or self.root,
            env={
                "PATH": str(self.programs),
                "HOME": str(self.root.parent),
                "PYTHON": sys.executable,
                "CALLS": str(self.calls_file),
                "CHECKOUT": str(self.root),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self, of: str) -> list[str]:
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line for line in lines if line.startswith(of)]


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def test_arguments_output_and_exit_status_are_those_of_the_app(checkout):
    done = checkout.studio("transcribe", "a clip.wav", "--format", "json")
    assert done.stdout == f"w2v-studio in {checkout.root}:\n<transcribe>\n<a clip.wav>\n<--format>\n<json>\n"
    assert done.returncode == 7
    assert "studio: installing the Python packages" in done.stderr


def test_without_arguments_the_window_is_started(checkout):
    assert checkout.studio().stdout == f"w2v-studio in {checkout.root}:\n"


def test_second_start_asks_nobody_and_is_quick(checkout):
    checkout.studio("devices")
    asked = checkout.calls("uv")
    checkout.program("ldconfig", "#!/bin/sh\necho 'ldconfig' >>\"$CALLS\"\n")
    start = time.monotonic()
    assert checkout.studio("devices").returncode == 7
    assert time.monotonic() - start < 1
    assert checkout.calls("uv") == asked
    assert not checkout.calls("ldconfig")


@pytest.mark.parametrize("changed", ["pyproject.toml", "studio"])
def test_a_change_brings_the_packages_up_to_date(checkout, changed):
    checkout.studio("devices")
    with (checkout.root / changed).open("a") as file:
        file.write("\n# changed\n")
    checkout.studio("devices")
    assert checkout.calls("uv sync") == ["uv sync", "uv sync"]


def test_a_python_that_went_away_is_replaced(checkout):
    checkout.studio("devices")
    (checkout.root / ".venv" / "bin" / "python").unlink()
    checkout.studio("devices")
    assert len(checkout.calls("uv sync")) == 2


def test_without_network_an_existing_environment_still_starts(checkout):
    checkout.studio("devices")
    with (checkout.root / "pyproject.toml").open("a") as file:
        file.write("\n# changed\n")
    done = checkout.studio("devices", UV_FAILS="yes")
    assert done.returncode == 7
    assert "going on with those installed before" in done.stderr
    assert checkout.studio("setup", UV_FAILS="yes").returncode == 1
    # The failure was not written down as a success.
    checkout.studio("devices")
    assert len(checkout.calls("uv sync")) == 4


def test_nothing_starts_when_nothing_could_be_installed(checkout):
    done = checkout.studio("devices", UV_FAILS="yes")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "could not be installed" in done.stderr


def test_from_another_folder_through_a_link(checkout, tmp_path):
    links = tmp_path / "links"
    links.mkdir()
    (links / "to-the-link").symlink_to("../a checkout/studio")
    (links / "w2v").symlink_to("to-the-link")
    done = checkout.studio("devices", script=links / "w2v", cwd=links)
    # The app runs where the person is, so that relative file names mean what they say.
    assert done.stdout == f"w2v-studio in {links}:\n<devices>\n"
    assert (checkout.root / ".venv").is_dir()


def test_app_only_installs_no_torch_and_is_remembered(checkout):
    assert checkout.studio("setup", "--app-only").returncode == 0
    with (checkout.root / "pyproject.toml").open("a") as file:
        file.write("\n# changed\n")
    checkout.studio("devices")
    assert checkout.calls("uv sync") == ["uv sync --no-default-groups --extra app"] * 2
    checkout.studio("setup")
    assert checkout.calls("uv sync")[-1] == "uv sync"


def test_setup_knows_its_options(checkout):
    done = checkout.studio("setup", "--app")
    assert done.returncode == 1
    assert "'--app'" in done.stderr
    assert not checkout.calls("uv")


def test_help_needs_no_setting_up(checkout):
    done = checkout.studio("--help")
    assert done.returncode == 0
    assert "./studio test" in done.stdout
    assert not checkout.calls("uv")


def test_a_missing_library_without_apt_stops_the_window_and_nothing_else(checkout):
    checkout.program("ldconfig", NO_LIBRARIES)
    done = checkout.studio()
    assert done.returncode == 1
    assert "libxcb-cursor.so.0" in done.stderr
    assert "no apt-get here" in done.stderr
    done = checkout.studio("transcribe", "clip.wav")
    assert done.returncode == 7
    assert "libxcb-cursor.so.0" in done.stderr


def test_a_failing_apt_leaves_the_line_to_run(checkout):
    checkout.program("ldconfig", NO_LIBRARIES)
    checkout.program("apt-get", APT_GET)
    checkout.program("id", "#!/bin/sh\necho 0\n")
    done = checkout.studio()
    assert done.returncode == 1
    install, update = checkout.calls("apt-get")
    assert install.endswith("libxcb-xkb1")
    assert "--no-remove" in install
    assert update.endswith("update")
    assert "Unable to fetch" in done.stderr
    assert "sudo apt-get install -y --no-install-recommends libportaudio2 " in done.stderr


def test_without_root_nothing_is_installed_and_the_line_to_run_is_shown(checkout):
    checkout.program("ldconfig", NO_LIBRARIES)
    checkout.program("apt-get", APT_GET)
    done = checkout.studio()
    assert done.returncode == 1
    assert not checkout.calls("apt-get")
    assert "sudo apt-get install -y --no-install-recommends libportaudio2 " in done.stderr


def test_libraries_on_the_library_path_count(checkout, tmp_path):
    checkout.program("ldconfig", NO_LIBRARIES)
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for line in (ROOT / "studio").read_text().splitlines():
        words = line.split()
        if len(words) == 3 and words[0] in ("microphone", "window"):
            (libraries / words[2].rpartition("/")[2]).touch()
    done = checkout.studio("devices", LD_LIBRARY_PATH=f"{tmp_path}:{libraries}")
    assert done.returncode == 7
    assert "not found" not in done.stderr


@pytest.mark.parametrize("script", ["studio", ".ci/run"])
def test_shellcheck_is_content(script):
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", ROOT / script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_scripts_can_be_executed():
    for script in ("studio", ".ci/run"):
        assert os.access(ROOT / script, os.X_OK), f"{script} lost its executable bit"
