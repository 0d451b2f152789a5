"""Upload to Hugging Face's hub with `huggingface_hub`, as one data set repository with a tag for each version.

Files that the hub has already are not sent again, so that an interrupted upload goes on where it stopped. Files that a
new version lacks, such as withdrawn pictures, are deleted from the repository's newest state.
"""

from __future__ import annotations

import os
from typing import Any

from mtf.core.errors import BadInput, MtfError
from mtf.release.upload.package import Package

ENDPOINT = "https://huggingface.co"
_TYPE = "dataset"


def upload(package: Package, repository: str, *, token: str | None, private: bool, endpoint: str | None = None) -> str:
    """Upload a package to `OWNER/NAME`; return its address.

    - `token`: None for the one that `hf auth login` stored;
    - `endpoint`: address of the hub; `HF_ENDPOINT` if it is None.

    Raises BadInput if the hub refuses, and MtfError if it cannot be reached.
    """
    try:
        import httpx
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
    except ImportError:
        raise BadInput("hf://: needs huggingface_hub: pip install 'mtf[hub]'") from None
    address = (endpoint or os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    api = HfApi(endpoint=address, token=token, library_name="mtf")
    where = f"hf://{repository}"
    try:
        api.create_repo(repository, repo_type=_TYPE, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            repo_type=_TYPE,
            folder_path=package.folder,
            commit_message=package.title,
            delete_patterns="*",
        )
        version = f"v{package.citation['version']}"
        api.create_tag(repository, repo_type=_TYPE, tag=version, tag_message=package.title, exist_ok=True)
    except LocalTokenNotFoundError:
        raise BadInput(f"{where}: no token; set HF_TOKEN, name a --token-file, or run `hf auth login`") from None
    except HfHubHTTPError as error:
        raise BadInput(f"{where}: {_reason(error)}") from None
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        reason = type(error).__name__
        raise MtfError(f"{where}: {address} did not answer ({reason}); run the same command again to go on") from None
    return f"{address}/datasets/{repository}"


def _reason(error: Any) -> str:
    status = error.response.status_code if error.response is not None else None
    says = " ".join(str(error.server_message or "").split())[:300]
    if status in (401, 403):
        return f"the hub refuses the token ({status}); it must be permitted to write to this owner's data sets. {says}"
    return f"the hub answered {status}: {says or 'no reason given'}; run the same command again to go on"
