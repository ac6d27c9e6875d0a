"""Library functions that reach the model's eyes, the agent and the user."""

from __future__ import annotations

from sagittal.agent.host import CallContext
from sagittal.agent.library import Library
from sagittal.agent.toolbox import Features, Reading
from sagittal.agent.values import Text
from sagittal.errors import InputError
from sagittal.study import Image, Mask

VISION = Library()
SPEECH = Library()

_LONGEST_STRUCTURE = 80


@VISION.function("Features")
def encode(call: CallContext, *volumes: Image) -> Features:
    """Encode one or more volumes together with the vision network."""
    return call.toolbox.encode(volumes, call.site)


@VISION.function("Mask")
def segment(call: CallContext, features: Features, structure: Text) -> Mask:
    """Segment one structure or pathology in encoded volumes."""
    if not structure.value or len(structure.value) > _LONGEST_STRUCTURE:
        raise InputError("A structure has a name.", expected=f"1 to {_LONGEST_STRUCTURE} characters")
    return call.toolbox.segment(features, structure.value, call.site)


@SPEECH.function("nothing")
def read(call: CallContext, value: object) -> Reading:
    """Show a value to the agent before it plans on."""
    return call.read(value, call.request.sources[0])


@SPEECH.function("nothing")
def say(call: CallContext, text: Text) -> str:
    """Tell the user a sentence; its numbers are those that steps computed."""
    said = call.say(text)
    call.host.said.texts.append(said)
    return said


@SPEECH.function("nothing")
def abstain(call: CallContext, reason: Text) -> str:
    """Answer nothing, say why, and end."""
    said = call.say(reason)
    if not said:
        raise InputError("An abstention says why.", expected="a reason in words")
    call.host.said.reason = said
    return said


@SPEECH.function("nothing")
def stop(call: CallContext) -> None:
    """End: the answer is complete."""
    call.host.said.stopped = True
