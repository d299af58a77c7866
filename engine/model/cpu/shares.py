"""Work of many equal units, divided among threads once instead of inside every operation.

torch divides each operation among its threads and waits for the slowest. Of operations that take a tenth of a
millisecond there are thousands in an update: the waiting costs more than it brings as soon as another program wants a
core (up to 20 times the time, measured with load 6 on two cores). Here each thread takes whole units and divides
nothing further, and what a unit touches stays in its core's cache.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Result = TypeVar("Result")


@functools.cache
def _workers(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "cpu-share", initializer=torch.set_num_threads, initargs=(1,))


def in_shares(units: int, work: Callable[[range], Result]) -> list[Result]:
    """Call `work` with disjoint ranges that make up range(units), one in each of torch's threads; results in order.

    No gradients are recorded in `work`. Which units make a share depends only on `torch.get_num_threads()`, so that
    sums over shares are the same in every run.
    """
    threads = min(torch.get_num_threads(), units)
    inference = torch.is_inference_mode_enabled()  # a switch of each thread, like the one for gradients
    if threads <= 1:
        return [_silently(work, range(units), inference)] if units else []
    edges = [units * place // threads for place in range(threads + 1)]
    pending = [_workers(threads).submit(_silently, work, range(*pair), inference) for pair in itertools.pairwise(edges)]
    return [share.result() for share in pending]


def _silently(work: Callable[[range], Result], units: range, inference: bool) -> Result:
    # In this order: leaving inference mode would turn gradients on again.
    with torch.inference_mode(inference), torch.no_grad():
        return work(units)
