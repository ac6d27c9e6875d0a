"""A specialist's own process: it is loaded here once, and looks at one study after another.

    python -m sagittal.specialists.worker [--early]

It is told which specialist first: ``package.module:function``, its card, the folder of its weights. With
``--early`` it imports the library of networks before that. What the specialist's code prints goes to standard
error; an exception of its ends the process, and what stands on standard error then is what the user is told.
Nothing of it reaches the process that asked.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from sagittal.errors import GeometryError, InputError, LabelError
from sagittal.specialists.card import read_card
from sagittal.specialists.protocol import Opener, Specialist, SpecialistError
from sagittal.specialists.wire import WireError, receive, send
from sagittal.study import Mask, Study

# What the parent sends is the user's own: as much as there is.
_MOST = 1 << 62


def main() -> None:
    """Load the specialist, then answer until the parent closes the pipe."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    incoming, outgoing = os.fdopen(0, "rb", closefd=False), _private_output()
    if "--early" in sys.argv:
        with suppress(ImportError):
            import_module("torch")
    try:
        told, _ = receive(incoming, _MOST)
    except WireError:
        return
    try:
        specialist = find_opener(told["opener"])(read_card(told["card"]), Path(told["folder"]))
    except InputError as error:
        send(outgoing, {"fault": "missing", **_words(error)})
        return
    send(outgoing, {"ready": True, "peak_mb": peak_mb()})
    while True:
        try:
            header, arrays = receive(incoming, _MOST)
        except WireError:
            return
        header_out, arrays_out = _looked_at(specialist, header, arrays)
        send(outgoing, {**header_out, "peak_mb": peak_mb()}, arrays_out)


def _end_with(parent: int) -> None:
    """End with the process that asked: nobody hears what is still computed."""
    while os.getppid() == parent:
        time.sleep(2)
    os._exit(1)


def find_opener(name: str) -> Opener:
    """The function that ``package.module:function`` names; importing it runs the package's code.

    Raises:
        InputError: there is none.
    """
    module, _, function = name.partition(":")
    try:
        opener: Opener = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(
            "The specialist's code cannot be found.", expected=f"a function at {name}", got=error,
            remedy="install what it needs: sagittal specialists check",
        ) from error  # fmt: skip
    return opener


def _private_output() -> BinaryIO:
    """The pipe to the parent; standard output becomes standard error for everyone else."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "wb")


def _looked_at(
    specialist: Specialist, header: Mapping[str, Any], arrays: list[NDArray[Any]]
) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    study = Study.from_json(header["study"], arrays, ())
    try:
        refusal = specialist.accepts(study)
        if refusal is not None:
            return {"fault": "refused", "message": refusal}, []
        # Whatever it gives; the parent checks it.
        result: object = specialist.run(study, header["argument"])
    except (LabelError, GeometryError) as error:
        # Of what it made: a label map without names, a mask that is not one.
        return {"fault": "wrong", **_words(error)}, []
    except SpecialistError as error:
        # An adapter that found its network's fault says so itself.
        return {"fault": error.fault, **_words(error)}, []
    except InputError as error:
        return {"fault": "refused", **_words(error)}, []
    if isinstance(result, Mask):
        return {"mask": result.to_json()}, [result.data]
    if isinstance(result, Mapping):
        return {"probabilities": {str(name): float(value) for name, value in result.items()}}, []
    return {"other": type(result).__name__}, []


def _words(error: InputError) -> dict[str, Any]:
    shown = {"expected": error.expected, "got": error.got, "remedy": error.remedy}
    return {"message": error.message, **{k: None if v is None else str(v) for k, v in shown.items()}}


def peak_mb() -> int:
    """The most memory that this process held so far; 0 where the system does not tell."""
    # Not the usage that a process inherits from the one that started it, as getrusage tells on Linux.
    status = Path("/proc/self/status")
    if status.is_file():
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        return int(found[1]) >> 10 if found is not None else 0
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak >> (20 if sys.platform == "darwin" else 10)


if __name__ == "__main__":
    main()
