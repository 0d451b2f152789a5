"""Check of the licenses together: those that sources state, the policy, and the license of the release.

Each alone may be right, and still no picture could be kept, or no release be made of those that people reviewed.
"""

from __future__ import annotations

from mtf import config
from mtf.core.errors import BadInput
from mtf.rights import policy
from mtf.rights.licenses import catalogue
from mtf.sources.base import LocalSource

HOW_TO_PERMIT = "add it to licenses.permitted (`mtf new` and `mtf dataset import` do so with --permit)"


def check_sources(settings: config.Params, *, unreleased: bool = False) -> None:
    """Check that pictures under the license that a source states can pass the policy, and be in a release.

    With `unreleased`, a license that no release may bear is no error: the project is for yourself alone.

    Raises BadInput with the source, its license and what is permitted. With `licenses.basis: consent`, a source needs
    no license.
    """
    needs_license = settings.licenses.basis != "consent" and not settings.licenses.accept_unstated
    for source in settings.crawl.sources:
        key = f"params.yaml: crawl.sources: {source.entry_name}: license"
        if source.stated_license is not None:
            _check(key, _identifier(source.stated_license), settings, unreleased=unreleased)
        elif isinstance(source, LocalSource) and needs_license:
            raise BadInput(
                f"{key}: missing, so that every picture would be left out; state the owner's license, or set "
                "licenses.basis: consent"
            )


def without_release(settings: config.Params) -> list[str]:
    """Licenses of sources that no release may bear, whatever its own license."""
    stated = {_identifier(source.stated_license) for source in settings.crawl.sources if source.stated_license}
    return sorted(license for license in stated if not policy.permitted_release_licenses([license]))


def _identifier(license: str) -> str:
    return catalogue.normalise(license) or license


def _check(key: str, license: str, settings: config.Params, *, unreleased: bool) -> None:
    licenses, release = settings.licenses, settings.release.license
    if licenses.basis != "consent" and not policy.is_permitted(license, licenses):
        raise BadInput(
            f"{key}: {license} is not permitted, so that every picture would be left out; permitted: "
            f"{', '.join(licenses.permitted)}; to permit it, {HOW_TO_PERMIT}"
        )
    if why := policy.conflict(license, release):
        choices = ", ".join(policy.permitted_release_licenses([license]))
        if not choices and unreleased:
            return
        raise BadInput(f"{key}: {why}, and release.license is {release}; permitted for a release: {choices or 'none'}")


def unreleasable(settings: config.Params) -> dict[str, str]:
    """License of `licenses.permitted` → reason why a picture under it stops a release under `release.license`."""
    found = {entry: policy.conflict(entry, settings.release.license) for entry in settings.licenses.permitted}
    return {entry: why for entry, why in found.items() if why is not None}
