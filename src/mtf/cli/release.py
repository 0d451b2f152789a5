"""`mtf release`: the stage, the release in other forms, and its upload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtf.cli.stages import run_stage
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths


def add_to(app: typer.Typer) -> None:
    @app.command()
    def release(
        form: Annotated[
            str | None,
            typer.Option(
                "--format",
                help="Write or upload the built release in another format: parquet, webdataset or fiftyone; "
                "folders uploads it as it stands.",
            ),
        ] = None,
        to: Annotated[
            str | None,
            typer.Option(
                help="New folder for --format; or upload: hf://OWNER/NAME, zenodo://HOST or zenodo://HOST/RECORD."
            ),
        ] = None,
        token_file: Annotated[
            Path | None, typer.Option(help="File with the token. Default: HF_TOKEN or ZENODO_TOKEN of the environment.")
        ] = None,
        private: Annotated[bool, typer.Option("--private", help="A new repository of the hub is private.")] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Print what would be uploaded, and send nothing.")
        ] = False,
        size: Annotated[
            int | None, typer.Option(help="Largest side in pixels, for this run; smaller faces keep their own.")
        ] = None,
        enlarge: Annotated[bool, typer.Option("--enlarge", help="With --size: enlarge smaller faces to it.")] = False,
        models: Annotated[
            bool,
            typer.Option(
                "--models",
                help="Write the trained networks with their cards to build/released_models, or to the folder --to.",
            ),
        ] = False,
    ) -> None:
        """Write the release folders; with --format, convert the built release; with --to, upload it.

        With --models, write the trained networks with their cards instead.
        """
        from mtf import config
        from mtf.pipeline import release as stage
        from mtf.pipeline import release_upload
        from mtf.release.upload.destination import is_destination

        uploads = to is not None and is_destination(to)
        if models:
            _release_models(to, is_alone=not (uploads or form or size or enlarge or dry_run or private or token_file))
            return
        if not uploads and (dry_run or private or token_file is not None):
            raise BadInput("--dry-run, --private and --token-file: only with --to hf://… or zenodo://…")
        if (form is not None or to is not None) and (size is not None or enlarge):
            raise BadInput("--size and --enlarge: not with --format or --to, which take the built release as it is")
        if enlarge and size is None:
            raise BadInput("--enlarge: only with --size; release.enlarge: true in params.yaml enlarges all faces")
        if to is not None and not uploads and form is None:
            raise BadInput("--to: with --format, which says in which form; permitted: parquet, webdataset, fiftyone")
        if form is None and to is None:
            run_stage("release", **({} if size is None else {"size_px": size, "enlarge": enlarge}))
            return
        workspace = ProjectPaths.find()
        params = config.load(workspace.params)
        if uploads and to is not None:
            release_upload.publish(
                workspace, params, to=to, form=form, token_file=token_file, private=private, is_dry_run=dry_run
            )
        else:
            stage.export(workspace, params, form=form or "", to=Path(to) if to is not None else None)


def _release_models(to: str | None, *, is_alone: bool) -> None:
    """Write the bundle of networks. Raises BadInput beside options of the release of pictures."""
    from mtf import config
    from mtf.pipeline import release_models

    if not is_alone:
        raise BadInput("--models: only with --to FOLDER")
    workspace = ProjectPaths.find()
    release_models.run(workspace, config.load(workspace.params), to=Path(to) if to is not None else None)
