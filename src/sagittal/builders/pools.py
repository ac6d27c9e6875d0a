"""Ordered, bounded, parallel map over worker processes: a local pool, or Ray.

Both give results in the order of the items and hold at most a few of them at a time, so that memory
does not grow with the data set and a build's bytes do not depend on who finished first. Every worker
computes with one thread: sums then run in one order, and N workers use N cores.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeVar, get_args

from sagittal.errors import ConfigError, MissingExtraError, SagittalError

EngineName = Literal["local", "ray"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)

Item = TypeVar("Item")
Result = TypeVar("Result")

#: What numerical libraries read when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
#: Items in flight for each worker: enough that a slow one at the head leaves no worker idle.
_PER_WORKER = 4


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, engine: EngineName = "local"
) -> Generator[Result, None, None]:
    """``function`` of each item, in order, computed by ``workers`` processes.

    Args:
        function: must pickle; it is sent to each worker once.
        items: must pickle; drawn only as fast as results are taken.
        workers: processes; four items for each are in flight, and Ray computes as many of them at a
            time as its cluster has cores for.
        engine: ``local`` or ``ray``. Ray uses the cluster that is already connected, else the one at
            ``$RAY_ADDRESS``, else a local one that ends with the map.

    Raises:
        ConfigError: an unknown engine, or fewer than one worker.
        MissingExtraError: Ray is not installed.
        SagittalError: a worker process died.
        Exception: whatever ``function`` raised, with its type and message.
    """
    if workers < 1:
        raise ConfigError("At least one worker is needed.", expected="1 or more", got=workers)
    if engine not in ENGINES:
        raise ConfigError("The engine is not known.", expected=" or ".join(ENGINES), got=engine)
    return (_local if engine == "local" else _ray)(function, items, workers)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started inside the block see a single-threaded environment."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _windowed(
    items: Iterable[Item],
    size: int,
    submit: Callable[[Item], Any],
    collect: Callable[[Any], Result],
    waiting: deque[tuple[Any, Item]],
) -> Iterator[Result]:
    for item in items:
        waiting.append((submit(item), item))
        if len(waiting) >= size:
            yield collect(waiting[0][0])
            waiting.popleft()
    while waiting:
        yield collect(waiting[0][0])
        waiting.popleft()


# --- local processes ------------------------------------------------------------------------------

_function: Callable[[Any], Any] | None = None


def _begin(function: Callable[[Any], Any]) -> None:
    """Start of a worker process: remember the function, leave Ctrl-C to the parent, die with it."""
    global _function
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    # A parent that was killed cannot close its pool; without this its workers would wait for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(item: Any) -> Any:
    if _function is None:
        raise SagittalError("The worker was not started by ordered_map.")
    return _function(item)


def _local(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Result, None, None]:
    waiting: deque[tuple[Future[Result], Item]] = deque()
    # Spawned, not forked: the parent may hold threads, and a fresh process reads the thread settings.
    context = multiprocessing.get_context("spawn")
    with (
        one_thread_each(),
        ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(function,)) as pool,
    ):
        try:
            size = _PER_WORKER * workers
            yield from _windowed(items, size, lambda item: pool.submit(_call, item), Future.result, waiting)
        except BrokenProcessPool as error:
            raise SagittalError(
                "A worker process ended abruptly.",
                got="while working on " + " or ".join(str(item) for _, item in waiting),
                remedy="often memory ran out: run again with fewer workers; finished parts are kept",
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


# --- Ray ------------------------------------------------------------------------------------------


def _ray(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Result, None, None]:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("The engine 'ray'", "ray") from error

    started = not ray.is_initialized()
    with one_thread_each():
        if started:
            elsewhere = bool(os.environ.get("RAY_ADDRESS"))
            ray.init(
                num_cpus=None if elsewhere else workers,
                include_dashboard=None if elsewhere else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    try:
        shared = ray.put(function)
        task = ray.remote(num_cpus=1)(_apply)

        def collect(reference: Any) -> Any:
            try:
                return ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error

        yield from _windowed(items, _PER_WORKER * workers, partial(task.remote, shared), collect, deque())
    finally:
        if started:
            ray.shutdown()


def _apply(function: Callable[[Any], Any], item: Any) -> Any:
    return function(item)
