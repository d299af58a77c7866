"""What is committed names no machine and no private registry."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Built from pieces, so that this file does not offend against itself.
MACHINE_PATHS = re.compile(r"(?<![\w.$}/-])/" + r"(?:work|root|opt|home/[a-z]\w*|Users/\w+|tmp/[a-z]\w+)/\w")
HOSTS = ("pypi.org/simple", "files.pythonhosted.org", "registry.npmjs.org", "deb.debian.org", "pkg.dev", "artifactory")
REGISTRY_HOSTS = re.compile(r"https?://[\w.-]*(?:" + "|".join(map(re.escape, HOSTS)) + ")")
TEXT = {".py", ".toml", ".md", ".sh", ".json", ".tsv", ".txt", ".cfg", ".yml", ".yaml", ".svg", ""}


def tracked_texts() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"git cannot list the files: {listed.stderr.strip()}")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.suffix in TEXT and path.is_file() and path != Path(__file__)]


@pytest.mark.parametrize(
    ("what", "pattern"),
    [("a path of one machine", MACHINE_PATHS), ("a package registry", REGISTRY_HOSTS)],
    ids=["path", "registry"],
)
def test_tracked_files_name_no(what, pattern):
    named = []
    for path in tracked_texts():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            found = pattern.search(line)
            if found:
                named.append(f"{path.relative_to(ROOT)}:{number}: {found.group()}")
    assert not named, f"{what} is of no use elsewhere"


def test_the_patterns_find_what_they_are_for():
    assert MACHINE_PATHS.search("open('/" + "work/main/x')")
    assert MACHINE_PATHS.search("cd /" + "home/ann/studio")
    assert not MACHINE_PATHS.search("https://example.org/" + "root/of/art")
    assert not MACHINE_PATHS.search("/usr/lib/libxcb.so")
    assert REGISTRY_HOSTS.search("https://" + "pypi.org/simple/numpy")


def test_no_large_file_is_tracked():
    """A clone stays quick: the largest thing in it is the bundled model."""
    large = [(path, size) for path in tracked_texts() if (size := path.stat().st_size) > 1_000_000]
    assert not large
