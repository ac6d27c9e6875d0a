"""Byte-level BPE with special tokens that no text can forge.

Text becomes tokens, never special ones: a user who types ``<MOD>`` gets five ordinary tokens. Special
tokens are placed by their id alone. The tokenizer is trained offline on the project's own texts (sampled
questions, programs, feedback) and kept in the ``tokenizer.json`` of the tokenizers library; of such a file
only the vocabulary and the merges are read, so that no file can change how text is cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

from sagittal.errors import ConfigError, FileFormatError, MissingExtraError
from sagittal.files import storage_errors, write_text

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
#: What follows is the user's question; the metadata of one volume; a program; what came of a program.
QUESTION, VOLUME, CODE, FEEDBACK = "<QUESTION>", "<VOLUME>", "<CODE>", "<FEEDBACK>"
#: ``MOD`` announces a modulation vector φ, whose place ``PHI`` holds; ``READ`` holds that of a read encoding.
MOD, PHI, READ = "<MOD>", "<PHI>", "<READ>"
SPECIAL_TOKENS = (PAD, BOS, EOS, QUESTION, VOLUME, CODE, FEEDBACK, MOD, PHI, READ)
#: Whose turn begins; an image, which embeddings stand for; a region that was pointed at; a mask that is due;
#: the classes that a model's heads have chosen, which its words follow.
SYSTEM, USER, ASSISTANT = "<SYSTEM>", "<USER>", "<ASSISTANT>"
IMAGE, REGION, END_REGION, SEGMENT, CLASSES = "<IMAGE>", "<REGION>", "</REGION>", "<SEG>", "<CLASSES>"
#: Of the vision-language models, which share one vocabulary.
CHAT_TOKENS = (
    PAD, BOS, EOS, SYSTEM, USER, ASSISTANT, IMAGE, REGION, END_REGION, SEGMENT, CLASSES
)  # fmt: skip
#: Every byte, and the special tokens: no vocabulary is smaller.
SMALLEST_VOCABULARY = 256 + len(SPECIAL_TOKENS)

# A vocabulary of 32,000 takes about 2 MB.
_LARGEST_FILE = 16 << 20


class Tokenizer:
    """Text to token ids and back.

    Args:
        vocabulary: token → id; ids are 0 to n - 1, and the special tokens are among them.
        merges: pairs of tokens, in the order in which they merge.
        specials: the special tokens.

    Raises:
        FileFormatError: vocabulary and merges do not belong together.
        MissingExtraError: the tokenizers library is not installed.
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        merges: Sequence[tuple[str, ...]],
        specials: Sequence[str] = SPECIAL_TOKENS,
    ) -> None:
        try:
            from tokenizers.models import BPE
        except ImportError as error:
            raise MissingExtraError("A tokenizer", "models") from error
        _check(vocabulary, merges, specials)
        bpe = BPE(vocab=dict(vocabulary), merges=[(a, b) for a, b in merges])
        self._tokenizer = _assemble(bpe, specials)
        self._ids = {name: vocabulary[name] for name in specials}
        self.size = len(vocabulary)

    @classmethod
    def train(cls, texts: Iterable[str], size: int, specials: Sequence[str] = SPECIAL_TOKENS) -> Self:
        """Learn merges from texts; the same texts in the same order give the same tokenizer.

        Args:
            texts: what the model will read and write.
            size: tokens at most; fewer when the texts hold no more pairs.
            specials: the special tokens.

        Raises:
            ConfigError: a size that cannot hold every byte and the special tokens.
            MissingExtraError: the tokenizers library is not installed.
        """
        if size < 256 + len(specials):
            raise ConfigError("The vocabulary is too small.", expected=256 + len(specials), got=size)
        try:
            from tokenizers.models import BPE
            from tokenizers.pre_tokenizers import ByteLevel
            from tokenizers.trainers import BpeTrainer
        except ImportError as error:
            raise MissingExtraError("A tokenizer", "models") from error
        learner = _assemble(BPE(), specials)
        trainer = BpeTrainer(
            vocab_size=size,
            special_tokens=list(specials),
            initial_alphabet=sorted(ByteLevel.alphabet()),
            show_progress=False,
        )
        learner.train_from_iterator(texts, trainer)
        return cls.from_json(learner.to_str(), specials)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; none of them special."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids; special ones appear by name, broken UTF-8 as �."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def bytes_of_tokens(self) -> list[bytes]:
        """Bytes of each token, by id; special ones have none."""
        special = set(self._ids.values())
        found = [self._tokenizer.id_to_token(n) for n in range(self.size)]
        return [b"" if n in special else bytes_of(token) for n, token in enumerate(found)]

    def special(self, name: str) -> int:
        """The id of a special token."""
        return self._ids[name]

    def to_json(self) -> str:
        """The content of a ``tokenizer.json``."""
        text: str = self._tokenizer.to_str(pretty=False)
        return text

    @classmethod
    def from_json(cls, text: str, specials: Sequence[str] = SPECIAL_TOKENS) -> Self:
        """Inverse of :meth:`to_json`.

        Raises:
            FileFormatError: the text is not the ``tokenizer.json`` of a BPE with these special tokens.
        """
        try:
            model = json.loads(text)["model"]
            vocabulary, merges = model["vocab"], model["merges"]
            pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in merges]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FileFormatError(
                "This is not a tokenizer.json.", expected="a BPE model with vocabulary and merges", got=error
            ) from error
        return cls(vocabulary, pairs, specials)

    def save(self, path: str | Path) -> None:
        """Write a ``tokenizer.json``, atomically."""
        write_text(path, self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a ``tokenizer.json``.

        Raises:
            FileFormatError: it is damaged, too large, or not ours.
            StorageError: it cannot be read.
        """
        path = Path(path)
        with storage_errors(path):
            size = path.stat().st_size
            if size > _LARGEST_FILE:
                raise FileFormatError(
                    "The tokenizer is too large.", expected=f"at most {_LARGEST_FILE} bytes", got=size
                )
            data = path.read_bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FileFormatError("This is not a tokenizer.json.", expected="UTF-8", got=error) from error
        return cls.from_json(text)


def _assemble(model: Any, specials: Sequence[str]) -> Any:
    """Our way to cut text around a BPE model: single digits, then words as GPT-2 cuts them, then bytes."""
    from tokenizers import AddedToken, Tokenizer, decoders
    from tokenizers.pre_tokenizers import ByteLevel, Digits
    from tokenizers.pre_tokenizers import Sequence as InTurn

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = InTurn([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in specials])
    # Text never becomes a special token.
    tokenizer.encode_special_tokens = True
    return tokenizer


def bytes_of(token: str) -> bytes:
    """Bytes of a token as byte-level BPE writes it: a printable character for each.

    Raises:
        ConfigError: it is not written so.
    """
    try:
        return bytes(_byte_of()[character] for character in token)
    except KeyError as error:
        raise ConfigError("The tokenizer is not of byte-level BPE.", got=token) from error


@cache
def _byte_of() -> Mapping[str, int]:
    """Character → byte, as GPT-2 has it: printable ones stand for themselves, others follow from 256 on."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}


def _check(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, ...]], specials: Sequence[str]) -> None:
    whole = isinstance(vocabulary, Mapping) and all(type(i) is int for i in vocabulary.values())
    if not whole or sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise FileFormatError("A vocabulary numbers its tokens from 0 without gaps.")
    missing = [t for t in specials if t not in vocabulary]
    if missing:
        raise FileFormatError(
            "The vocabulary lacks special tokens.", expected=", ".join(specials), got=missing
        )
    for pair in merges:
        known = len(pair) == 2 and all(isinstance(p, str) and p in vocabulary for p in pair)
        if not known or "".join(pair) not in vocabulary:
            raise FileFormatError("A merge is not of two tokens to a third.", got=pair)
