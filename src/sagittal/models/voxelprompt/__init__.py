"""VoxelPrompt (Hoopes et al.): a language model that writes programs which encode, segment and measure.

Read in this order: ``config`` (sizes), ``preparation`` (scans in, masks out), ``marks`` and ``conversation``
(programs as tokens), ``model`` (training), ``session`` (inference).
"""

from sagittal.models.voxelprompt.config import LanguageConfig, VoxelPromptConfig
from sagittal.models.voxelprompt.conversation import Conversation, Exchange, Scan, Scribe, Script
from sagittal.models.voxelprompt.lesson import lesson, unseen_lesson
from sagittal.models.voxelprompt.model import Losses, MaskResult, VoxelPrompt, parameter_counts
from sagittal.models.voxelprompt.preparation import Frame, PreparationConfig, PreparedVolume, prepare
from sagittal.models.voxelprompt.session import VoxelPromptPlanner, VoxelPromptToolbox, open_session
from sagittal.models.voxelprompt.storage import load_voxelprompt, save_voxelprompt
from sagittal.models.voxelprompt.words import acquisition_words, encoded_words

__all__ = [
    "Conversation",
    "Exchange",
    "Frame",
    "LanguageConfig",
    "Losses",
    "MaskResult",
    "PreparationConfig",
    "PreparedVolume",
    "Scan",
    "Scribe",
    "Script",
    "VoxelPrompt",
    "VoxelPromptConfig",
    "VoxelPromptPlanner",
    "VoxelPromptToolbox",
    "acquisition_words",
    "encoded_words",
    "lesson",
    "load_voxelprompt",
    "open_session",
    "parameter_counts",
    "prepare",
    "save_voxelprompt",
    "unseen_lesson",
]
