"""lhotse Shar: shards of 1,000 cuts or so, each a list of cuts with a tar archive of their recordings.

    cuts.000000.jsonl.gz   cuts.000001.jsonl.gz   ...
    recording.000000.tar   recording.000001.tar   ...

A folder with these, or a JSON file that lists them: {"cuts": [...], "recording": [...]}, each a path or a URL. The
lists are read shard by shard, so that data may be larger than memory, and with URLs larger than the disk.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.data.formats.json_lines import objects_of
from engine.data.formats.lhotse_cuts import cut_duration, said_in
from engine.data.formats.shard_files import RemoteShard, Spool, TarShard, is_remote, open_remote
from engine.data.manifest import Clip, DataError
from engine.data.parts import ShardMember

SHARDS = 4
"""What a generator is for; beside the uses in engine.data.examples."""


@dataclass(frozen=True)
class Shard:
    """A list of cuts and the archive of their recordings."""

    cuts: str
    archive: TarShard


@dataclass
class ShardSet:
    """The shards of one source, in the order of their names."""

    name: str
    shards: list[Shard]
    spool: Spool | None = None

    def clips_of(self, shard: Shard, streamed: bool) -> Iterator[Clip]:
        """The clips of a shard. Raises DataError."""
        path = Path(shard.cuts)
        rows = _remote_objects(shard.cuts) if is_remote(shard.cuts) else objects_of(path)
        for number, cut in rows:
            origin = f"{shard.cuts}:{number}"
            try:
                speaker, text = said_in(cut)
                member = ShardMember(str(cut["id"]), shard.archive, streamed)
                clip = Clip(shard.archive.path, cut_duration(cut), speaker, text, origin, member)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise DataError(f"{origin}: not a lhotse cut ({error!r}): write the folder with to_shar") from error
            yield clip

    def clips(self) -> Iterator[Clip]:
        """The clips of all shards, one shard after the other."""
        for shard in self.shards:
            yield from self.clips_of(shard, streamed=False)

    def keep_near(self, shards: Sequence[Shard]) -> None:
        """Have the archives of these shards here soon, and no others."""
        if self.spool is not None:
            self.spool.want([shard.archive.address for shard in shards if isinstance(shard.archive, RemoteShard)])


def _remote_objects(address: str) -> Iterator[tuple[int, dict[str, object]]]:
    with open_remote(address) as stream:
        content = stream.read()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    for number, line in enumerate(io.StringIO(content.decode("utf-8")), 1):
        if line.strip():
            yield number, json.loads(line)


def is_shar(folder: Path) -> bool:
    """Whether a folder has lists of cuts with archives."""
    return bool(_cut_lists(folder)) and any(folder.glob("recording.*.tar"))


def _cut_lists(folder: Path) -> list[Path]:
    return sorted([*folder.glob("cuts.*.jsonl"), *folder.glob("cuts.*.jsonl.gz")])


def open_shar_folder(folder: Path) -> ShardSet:
    """The shards of a folder. Raises DataError where an archive is missing."""
    shards = []
    for cuts in _cut_lists(folder):
        archive = folder / f"recording.{cuts.name.split('.')[1]}.tar"
        if not archive.is_file():
            raise DataError(f"{cuts} has no {archive.name} beside it: copy the Shar folder again")
        shards.append(Shard(str(cuts), TarShard(archive)))
    return ShardSet(str(folder), shards)


def open_shar_list(path: Path, values: dict[str, list[str]]) -> ShardSet:
    """The shards that a JSON file lists; relative paths are those of its folder. Raises DataError."""
    cuts, archives = values.get("cuts", []), values.get("recording", [])
    if not cuts or len(cuts) != len(archives):
        raise DataError(
            f"{path} lists {len(cuts)} files under cuts and {len(archives)} under recording: there must be as many"
        )
    spool = Spool(str(path.absolute())) if any(map(is_remote, archives)) else None
    shards = [
        Shard(
            one if is_remote(one) else str(path.parent / one),
            RemoteShard(other, spool) if spool is not None and is_remote(other) else TarShard(path.parent / other),
        )
        for one, other in zip(cuts, archives, strict=True)
    ]
    return ShardSet(str(path), shards, spool)


class ShardStream:
    """The part of a shard set that an epoch goes through: `per_epoch` shards, in an order that is new in each pass.

    With 10 shards and 4 in an epoch, epochs 0, 1 and 2 are one pass of 4, 4 and 2. Epoch e is found without reading
    those before, so a run goes on anywhere. `choose` gives a clip as it is to be used, or None to leave it out.
    """

    def __init__(self, shards: ShardSet, per_epoch: int, seed: int, choose: Callable[[Clip], Clip | None]) -> None:
        self.shards, self.seed, self.choose = shards, seed, choose
        count = len(shards.shards)
        self.per_epoch = min(per_epoch, count) if per_epoch > 0 else count
        self.epochs_in_pass = -(-count // self.per_epoch)
        self.clips, self.seconds = 0, 0.0

    def shards_of(self, epoch: int) -> list[Shard]:
        """The shards of an epoch."""
        turn, place = divmod(epoch, self.epochs_in_pass)
        order = np.random.default_rng([self.seed, SHARDS, turn]).permutation(len(self.shards.shards))
        chosen = order[place * self.per_epoch : (place + 1) * self.per_epoch]
        return [self.shards.shards[number] for number in chosen]

    def clips_of(self, epoch: int) -> list[Clip]:
        """The usable clips of an epoch; archives on other machines begin to come, those of the next epoch too."""
        chosen = self.shards_of(epoch)
        before = self.shards_of(epoch - 1) if epoch else []
        self.shards.keep_near(list(dict.fromkeys([*chosen, *self.shards_of(epoch + 1), *before])))
        streamed = self.epochs_in_pass > 1
        kept = (self.choose(clip) for shard in chosen for clip in self.shards.clips_of(shard, streamed))
        return [clip for clip in kept if clip is not None]
