"""Object stores that fsspec reads, such as `s3://BUCKET/FOLDER`, with errors that name the option and the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtf.core import extras
from mtf.core.errors import MtfError, shortened

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure"}


def opened(address: str, *, option: str) -> tuple[AbstractFileSystem, str]:
    """File system of an address, and the path in it. Raises MtfError if it is unknown or lacks a package."""
    import fsspec

    try:
        files, base = fsspec.core.url_to_fs(address, use_listings_cache=False)
    except ImportError as error:
        extra = _EXTRAS.get(address.partition(":")[0])
        advice = f"; {extras.install(extra)} brings it" if extra else ""
        raise MtfError(f"{option}: {address} needs a package{advice} ({error})") from None
    except ValueError as error:
        raise MtfError(f"{option}: {address}: {error}; permitted: a folder, or s3://…") from None
    return files, base.rstrip("/")


class NamedErrors:
    """Context that turns errors of a file system or an object store into one line with the option and the address."""

    def __init__(self, option: str, address: str, *, advice: str = "") -> None:
        self._option = option
        self._address = address
        self._advice = advice

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, MtfError) or not isinstance(error, Exception):
            return
        raise MtfError(f"{self._option}: {self._address} cannot be used: {shortened(error)}{self._advice}") from error
