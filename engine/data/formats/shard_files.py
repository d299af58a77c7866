"""Tar archives of a Shar folder: read at any place, brought here first where they are on another machine. No torch."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import threading
import urllib.request
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from engine.data.cache_folder import cache_folder
from engine.data.manifest import DataError

PART_MARK = ".part-"


def is_remote(address: str) -> bool:
    """Whether this is a URL, such as https://, s3:// or hf://."""
    return "://" in address


def open_remote(address: str) -> IO[bytes]:
    """A stream of what is at a URL: HTTP by itself, other kinds of storage through fsspec and its plug-in."""
    try:
        if address.startswith(("http://", "https://")):
            return urllib.request.urlopen(address, timeout=60)  # type: ignore[no-any-return]
        import fsspec  # type: ignore[import-untyped]

        opened: IO[bytes] = fsspec.open(address, "rb").open()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot open {address} ({error}): check the address and the network") from error
    except ImportError as error:
        raise DataError(f"{address} needs the package {error.name}: install it, or copy the data here") from error
    return opened


class TarShard:
    """One archive. Where its members lie is found when the first is read; then each is read at its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members: dict[str, tuple[int, int]] | None = None
        self._lock = threading.Lock()

    def local(self) -> Path:
        """The archive on this machine."""
        return self.path

    def read(self, name: str) -> bytes:
        """The recording `name`, as the bytes of an audio file. Raises DataError."""
        path = self.local()
        with self._lock:
            if self._members is None:
                self._members = _members_of(path)
        place = self._members.get(name)
        if place is None:
            raise DataError(f"{path} has no recording {name!r}: write the Shar folder anew")
        with path.open("rb") as file:
            file.seek(place[0])
            return file.read(place[1])


def _members_of(path: Path) -> dict[str, tuple[int, int]]:
    """Offset and size of each recording; its name is the member's without the ending."""
    try:
        with tarfile.open(path, "r:") as archive:
            return {
                member.name.rpartition(".")[0]: (member.offset_data, member.size)
                for member in archive
                if member.isfile() and not member.name.endswith((".json", ".nometa", ".nodata"))
            }
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"cannot read the archive {path} ({error}): copy it again") from error


class Spool:
    """A folder for archives of another machine, which holds only those that are in use and those that come next."""

    def __init__(self, name: str) -> None:
        digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
        self.folder = cache_folder() / "shards" / digest
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="fetch-shards")
        self._under_way: dict[str, Any] = {}
        self._lock = threading.Lock()

    def path_of(self, address: str) -> Path:
        """Where the file at `address` is put."""
        digest = hashlib.blake2b(address.encode(), digest_size=8).hexdigest()
        return self.folder / f"{digest}-{address.rpartition('/')[2]}"

    def want(self, addresses: Collection[str]) -> None:
        """Begin to bring these here, and delete all others."""
        keep = {self.path_of(address).name for address in addresses}
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name.partition(PART_MARK)[0] not in keep:
                    path.unlink(missing_ok=True)
        for address in addresses:
            self._begin(address)

    def get(self, address: str) -> Path:
        """The file on this machine; waits for it. Raises DataError."""
        path = self.path_of(address)
        if not path.exists():
            self._begin(address).result()
        return path

    def _begin(self, address: str) -> Any:
        with self._lock:
            running = self._under_way.get(address)
            if running is None or (running.done() and not self.path_of(address).exists()):
                running = self._under_way[address] = self._pool.submit(self._fetch, address)
            return running

    def _fetch(self, address: str) -> None:
        path = self.path_of(address)
        if path.exists():
            return
        part = path.with_name(f"{path.name}{PART_MARK}{os.getpid()}")  # other processes of the run may fetch it too
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_remote(address) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise DataError(
                f"cannot bring {address} here ({error}): check the network and the room on the disk of {self.folder}"
            ) from error


class RemoteShard(TarShard):
    """An archive on another machine, brought into the spool before it is read."""

    def __init__(self, address: str, spool: Spool) -> None:
        super().__init__(spool.path_of(address))
        self.address, self.spool = address, spool

    def local(self) -> Path:
        """The archive on this machine; waits for it."""
        return self.spool.get(self.address)
