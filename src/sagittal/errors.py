"""One tree of exceptions. Every error says what was expected, what came, and what to do.

The command line maps the tree to exit codes: :class:`InputError` and its children are the
caller's to mend (exit 2); any other exception is our own fault (exit 1).
"""

from __future__ import annotations

from typing import Any


class SagittalError(Exception):
    """Root of every error that Sagittal raises on purpose.

    Args:
        message: what is wrong, in one sentence.
        expected: what would have been right.
        got: what came instead.
        remedy: what the reader can do about it.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, expected: object = None, got: object = None, remedy: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.got = got
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.message]
        if self.expected is not None:
            lines.append(f"  expected: {self.expected}")
        if self.got is not None:
            lines.append(f"  got:      {self.got}")
        if self.remedy is not None:
            lines.append(f"  remedy:   {self.remedy}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy crosses process borders without calling __init__, whose arguments children may change.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[SagittalError], args: tuple[Any, ...], state: dict[str, Any]) -> SagittalError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InputError(SagittalError):
    """What was given cannot be used as it is; the caller can mend it."""

    exit_code = 2


class FileFormatError(InputError):
    """A file is damaged, is not what its name says, or holds something we do not read."""


class GeometryError(InputError):
    """An affine is missing or singular, or two grids that should agree do not."""


class LabelError(InputError):
    """A label value or name is not in the table that should explain it."""


class LayoutError(InputError):
    """A folder does not hold what the named layout says it should."""


class SpacingUnknownError(InputError):
    """A measurement in millimetres was asked of an image whose pixel spacing is unknown."""


class NoSurroundingsError(InputError):
    """A label is to be compared with what surrounds it, and nothing does."""


class ConfigError(InputError):
    """A setting has a value that it cannot take."""


class StorageError(InputError):
    """A file or folder cannot be read or written: permission, space, or a path that is not there."""


class MissingExtraError(InputError):
    """An optional part of the installation is needed and is not there."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs an optional part that is not installed.",
            remedy=f'install it with: pip install "sagittal[{extra}]"',
        )


class IntegrityError(InputError):
    """A file does not have the content that its manifest or card promises."""


class EndpointError(InputError):
    """A language endpoint could not be reached or answered with something unusable."""


class SagittalWarning(UserWarning):
    """Something was read or computed, but with a reservation that the reader should know."""
