"""The library that ships: eyes, measures, intensities, targets, places, behaviour, speech."""

from __future__ import annotations

from sagittal.agent.behaving import BEHAVIOUR
from sagittal.agent.intensities import INTENSITIES
from sagittal.agent.library import Library
from sagittal.agent.measuring import MEASURES
from sagittal.agent.placing import PLACES
from sagittal.agent.speaking import SPEECH, VISION
from sagittal.agent.targeting import TARGETS

#: Every function that a program may call; specialists add theirs with ``Library(STANDARD, …)``.
STANDARD = Library(VISION, MEASURES, INTENSITIES, TARGETS, PLACES, BEHAVIOUR, SPEECH)
