"""``sagittal doctor``: what is installed and what can be used."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sagittal.cli.console import output, print_json

# Extra → the distributions that it brings, and what it is for.
EXTRAS = {
    "models": (("torch",), "simulation and networks"),
    "scores": (("sacrebleu", "rouge-score", "nltk"), "scores of reports"),
    "dicom": (("pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle"), "compressed DICOM"),
    "registration": (("SimpleITK",), "rigid and affine registration"),
    "paraphrase": (("httpx",), "wordings from a language endpoint"),
    "ray": (("ray",), "building on a cluster"),
}
CORE = (
    "numpy",
    "scipy",
    "nibabel",
    "pydicom",
    "scikit-image",
    "connected-components-3d",
    "pyarrow",
    "pydantic",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", epilog="Example:  sagittal doctor --json")(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show versions, optional parts, device, atlases and weights."""
    report = examine()
    if as_json:
        print_json(report)
        return
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in report["versions"].items():
        table.add_row(name, value)
    table.add_section()
    for name, extra in report["extras"].items():
        state = "[green]installed[/]" if extra["installed"] else f'pip install "sagittal\\[{name}]"'
        table.add_row(f"extra {name}", f"{state}  ({extra['for']})")
    table.add_section()
    table.add_row("device", report["device"])
    table.add_row("cores", str(report["cores"]))
    table.add_row("atlases", ", ".join(report["atlases"]) or "none: sagittal atlas add aal2")
    table.add_row("weights", ", ".join(report["weights"]) or "none ship yet")
    table.add_row("data folder", report["data_home"])
    output().print(table)


def examine() -> dict[str, Any]:
    """The report as JSON values."""
    import platform

    from sagittal.files import data_home, versions
    from sagittal.measure.atlas_store import installed
    from sagittal.runtime import available_cores
    from sagittal.weights import checkpoints

    extras: dict[str, dict[str, Any]] = {
        name: {"installed": "not installed" not in versions(*parts).values(), "for": purpose}
        for name, (parts, purpose) in EXTRAS.items()
    }
    return {
        "schema": "sagittal.doctor/1",
        "versions": {"python": platform.python_version(), **versions(*CORE)},
        "extras": extras,
        "device": _device(extras["models"]["installed"]),
        "cores": available_cores(),
        "atlases": [entry.name for entry in installed()],
        "weights": list(checkpoints()),
        "data_home": str(data_home()),
    }


def _device(has_torch: bool) -> str:
    if not has_torch:
        return "cpu (the models extra is not installed)"
    import torch

    if torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name()}, torch {torch.__version__}"
    return f"cpu, torch {torch.__version__}"
