"""The library's side of a conversation: it holds images and masks, checks calls and keeps the results.

Programs hold tickets (:class:`~sagittal.agent.values.Handle`); the things stay here. A function
returns a measurement, an image, a mask or features, and the host makes a value of it; or a reading for
the agent; or a text for the trace; or nothing. The step that made a number is written on it here, and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.interpreter import Reply, Request
from sagittal.agent.library import Library
from sagittal.agent.text import harmless, plain
from sagittal.agent.toolbox import CallSite, Features, Reading, Toolbox
from sagittal.agent.values import Handle, Quantity, Text, Value, Word, label
from sagittal.answer import Measurement
from sagittal.errors import InputError
from sagittal.measure.block import Block, cut_block
from sagittal.study import Image, Mask

_TYPE_OF = {Image: "Volume", Mask: "Mask", Features: "Features"}


@dataclass
class Said:
    """What one program put out; it counts only when the program comes to its end.

    Attributes:
        texts: what it said.
        stated: derived quantities that its words state.
        readings: what it asked to see.
        stopped: whether it called ``stop``.
        reason: why it abstained; ``None`` when it did not.
    """

    texts: list[str] = field(default_factory=list)
    stated: list[Quantity] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    stopped: bool = False
    reason: str | None = None


class Host:
    """Carries out the calls of one conversation's programs.

    Attributes:
        library: the functions.
        toolbox: the model's eyes; ``None`` where no vision network is loaded.
        budget: limits.
        measurements: all that were made, in order, each with its step.
        said: output of the program that runs.
    """

    def __init__(
        self, library: Library, toolbox: Toolbox | None = None, budget: Budget | None = None
    ) -> None:
        self.library, self.toolbox, self.budget = library, toolbox, budget or Budget()
        self.measurements: list[Measurement] = []
        self.said = Said()
        self.characters_said = 0
        self._objects: dict[int, tuple[Handle, Any]] = {}
        self._next = 0
        self._blocks: WeakKeyDictionary[Mask, Block | None] = WeakKeyDictionary()

    # -- handles -----------------------------------------------------------------------------

    def hold(self, thing: Image | Mask | Features, name: str) -> Handle:
        """Keep an image, a mask or features, and give a ticket for it.

        Raises:
            ProgramError: more things or bytes would be held than the budget allows.
        """
        held = {id(kept): _bytes(kept) for _, kept in self._objects.values()}
        held[id(thing)] = _bytes(thing)
        if len(self._objects) >= self.budget.handles or sum(held.values()) > self.budget.handle_bytes:
            raise ProgramError(
                "budget",
                "Too many images and masks are kept.",
                expected=f"at most {self.budget.handles} of them, {self.budget.handle_bytes >> 20} MiB",
            )
        handle = Handle(self._next, _TYPE_OF[type(thing)], label(name))
        self._next += 1
        self._objects[handle.id] = (handle, thing)
        return handle

    def thing(self, handle: Handle) -> Any:
        """What a ticket stands for.

        Raises:
            ProgramError: it is no ticket of this host's.
        """
        kept, thing = self._objects.get(handle.id, (None, None))
        if kept != handle:
            raise ProgramError("handle", "There is no such image, mask or features any more.")
        return thing

    def release(self, keep: Collection[Handle]) -> None:
        """Forget everything but ``keep``."""
        numbers = {handle.id for handle in keep}
        self._objects = {n: entry for n, entry in self._objects.items() if n in numbers}

    # -- calls -------------------------------------------------------------------------------

    def call(self, request: Request) -> Reply:
        """Carry out one call.

        Raises:
            ProgramError: the call does not fit the function, or the function refused its input.
        """
        function = self.library.get(request.function)
        if function is None:
            raise ProgramError("name", f"There is no function {request.function}.")
        values = self.library.bind(function, request.arguments, request.keywords)
        things = [self.thing(v) if isinstance(v, Handle) else v for v in values]
        context = CallContext(self, request)
        try:
            result = function.implementation(context, *things)
        except InputError as error:
            raise ProgramError(
                "call",
                error.message,
                expected=None if error.expected is None else str(error.expected),
                got=None if error.got is None else str(error.got),
                remedy=error.remedy,
            ) from error
        if isinstance(result, Reading):
            self.said.readings.append(result)
            result = result.text
        halt = self.said.stopped or self.said.reason is not None
        if isinstance(result, str):
            return Reply(None, plain(result, self.budget.text), halt)
        return Reply(self._value(result, request), None, halt)

    def _value(self, result: Any, request: Request) -> Value | None:
        if isinstance(result, Measurement):
            texts = {"name": label(result.name), "of": label(result.of), "method": label(result.method)}
            measured = replace(result, step=request.step, **texts)
            if measured not in self.measurements:
                self.measurements.append(measured)
            return _measured(measured)
        if isinstance(result, Image):
            return self.hold(result, result.name or result.kind)
        if isinstance(result, Mask):
            return self.hold(result, ", ".join(result.labels.values()))
        if isinstance(result, Features):
            return self.hold(result, result.name)
        assert result is None, f"{request.function} returned {type(result)}"
        return None

    # -- output ------------------------------------------------------------------------------

    def begin(self) -> None:
        """A program starts: its output is empty."""
        self.said = Said()

    def commit(self) -> Said:
        """The program came to its end: its words count, and what they state is measured."""
        for quantity in self.said.stated:
            if quantity.measurement() not in self.measurements:
                self.measurements.append(quantity.measurement())
        return self.said

    def block(self, mask: Mask) -> Block | None:
        """The voxels of a mask of one label, cut out once; ``None`` when there are none."""
        if mask not in self._blocks:
            value = next(iter(mask.labels))
            self._blocks[mask] = cut_block(mask, value) if (mask.data == value).any() else None
        return self._blocks[mask]


@dataclass(frozen=True)
class CallContext:
    """What an implementation may use beside its arguments."""

    host: Host
    request: Request

    @property
    def site(self) -> CallSite:
        """Where the call stands."""
        return CallSite(self.request.step, self.request.line, self.request.index)

    @property
    def toolbox(self) -> Toolbox:
        """The model's eyes.

        Raises:
            ProgramError: no vision network is loaded.
        """
        if self.host.toolbox is None:
            raise ProgramError("call", f"{self.request.function} needs a vision network; none is loaded.")
        return self.host.toolbox

    def block(self, mask: Mask) -> Block | None:
        """See :meth:`Host.block`."""
        return self.host.block(mask)

    def say(self, text: Text) -> str:
        """Check that a text may be said, and count it; what it states is kept for the answer.

        Raises:
            ProgramError: it states a number that no step computed, or is too long.
        """
        host = self.host
        if text.unsupported:
            raise ProgramError(
                "unsupported-number",
                "Words may state only numbers that a step computed.",
                got=text.unsupported,
                remedy='measure it, keep it in a variable, and write f"…{name}…"; or write it as a word',
            )
        host.characters_said += len(text.value)
        if host.characters_said > host.budget.output:
            raise ProgramError(
                "budget", "Too much is said.", expected=f"at most {host.budget.output} characters"
            )
        host.said.stated += [q for q in text.stated if q.derived]
        # Literals and names were checked when they came in; a foreign process may skip that.
        return harmless(text.value, host.budget.text)

    def read(self, value: object, source: str) -> Reading:
        """What the agent sees of a value."""
        if isinstance(value, Features):
            return self.toolbox.read(value, self.site)
        if isinstance(value, Image | Mask):
            name = value.name or value.kind if isinstance(value, Image) else ", ".join(value.labels.values())
            return Reading(f"{source} = {_TYPE_OF[type(value)]} {label(name)}")
        if isinstance(value, bool):
            return Reading(f"{source} = {'yes' if value else 'no'}")
        return Reading(f"{source} = {value}")


def _measured(m: Measurement) -> Quantity | Word:
    if isinstance(m.value, str):
        return Word(label(m.value), m.unit, m.name, m.of, m.method, m.step)
    return Quantity(m.value, m.unit, m.name, m.of, m.method, m.step, m.undefined)


def _bytes(thing: Image | Mask | Features) -> int:
    return thing.nbytes if isinstance(thing, Features) else int(thing.data.nbytes)
