"""Words: the template grammar, the wordings of the tumour questions, and the paraphrase client."""

from sagittal.language.bank import WordingBank
from sagittal.language.grammar import Derivation, Grammar, Pool
from sagittal.language.tumour_wordings import TumourWordings
from sagittal.language.wording import CANONICAL, KINDS, TASKS, TYPES, Kind, Wording, Wordings, fill

__all__ = [
    "CANONICAL",
    "KINDS",
    "TASKS",
    "TYPES",
    "Derivation",
    "Grammar",
    "Kind",
    "Pool",
    "TumourWordings",
    "Wording",
    "WordingBank",
    "Wordings",
    "fill",
]
