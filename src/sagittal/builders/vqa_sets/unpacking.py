"""PathVQA's Parquet files → pictures and JSON that :func:`load_vqa_set` reads."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from sagittal.errors import FileFormatError, LayoutError
from sagittal.files import atomic_folder, sha256_bytes, storage_errors, write_json

_ENDINGS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png", b"II*\0": ".tif", b"MM\0*": ".tif"}
#: Rows decoded at a time; a row holds a picture of up to some megabytes.
_BATCH = 32


def unpack_path_vqa(folder: str | Path, out: str | Path) -> dict[str, int]:
    """Write the pictures once each, by the hash of their bytes, and a JSON list of questions for each split.

    The form is that of the data card of ``flaviagiammarino/path-vqa``: columns ``image`` (``bytes`` and
    ``path``), ``question`` and ``answer``; files SPLIT-NUMBER-of-NUMBER.parquet.

    Args:
        folder: where the Parquet files lie.
        out: a new folder, which is then both ``folder`` and ``images`` of
            :func:`sagittal.builders.vqa_sets.load_vqa_set`.

    Returns:
        Split → questions.

    Raises:
        LayoutError: there is no Parquet file of that name.
        FileFormatError: a file is damaged or of another form.
        StorageError: ``out`` is not empty, or cannot be written.
    """
    folder = Path(folder)
    with storage_errors(folder):
        files = [path for path in sorted(folder.iterdir()) if path.suffix == ".parquet"]
    if not files:
        raise LayoutError(
            "The folder has no Parquet file.", expected="train-00000-of-00007.parquet, …", got=folder
        )
    rows: dict[str, list[dict[str, str]]] = {}
    with atomic_folder(out) as made:
        (made / "images").mkdir()
        for path in files:
            rows.setdefault(path.name.split("-")[0], []).extend(_rows(path, made))
        for split, found in rows.items():
            write_json(made / f"{split}.json", found)
    return dict(Counter({split: len(found) for split, found in rows.items()}))


def _rows(path: Path, made: Path) -> list[dict[str, str]]:
    import pyarrow
    from pyarrow import parquet

    found = []
    try:
        with storage_errors(path), parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH, columns=["image", "question", "answer"]):
                for row in batch.to_pylist():
                    found.append(_row(row, path, made))
    except pyarrow.ArrowException as error:
        raise FileFormatError("This is no readable Parquet file.", got=f"{path}: {error}") from error
    return found


def _row(row: dict[str, Any], path: Path, made: Path) -> dict[str, str]:
    image, question, answer = row.get("image"), row.get("question"), row.get("answer")
    data = image.get("bytes") if isinstance(image, dict) else None
    if not (isinstance(data, bytes) and isinstance(question, str) and isinstance(answer, str)):
        raise FileFormatError(
            "This is no Parquet file of PathVQA.",
            expected="columns image (bytes, path), question, answer",
            got=f"{path}: {', '.join(f'{key} {type(value).__name__}' for key, value in row.items())}",
        )
    ending = next((end for head, end in _ENDINGS.items() if data.startswith(head)), None)
    if ending is None:
        raise FileFormatError("A picture is neither JPEG, PNG nor TIFF.", got=f"{path}: {data[:8]!r} …")
    name = f"images/{sha256_bytes(data)}{ending}"
    if not (made / name).exists():
        (made / name).write_bytes(data)
    return {"image": name, "question": question, "answer": answer}
