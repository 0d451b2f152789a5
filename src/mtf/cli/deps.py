"""`mtf deps`: the code and the defaults that dvc.yaml's stages depend on."""

from __future__ import annotations

from typing import Annotated

import typer

from mtf.core.errors import BadInput, GateFailed
from mtf.core.project_paths import ProjectPaths


def add_to(app: typer.Typer) -> None:
    @app.command()
    def deps(
        write: Annotated[bool, typer.Option("--write", help="Write the dependencies to dvc.yaml.")] = False,
        check: Annotated[bool, typer.Option("--check", help="Exit with 1 if dvc.yaml has other dependencies.")] = False,
        installed: Annotated[
            bool,
            typer.Option("--installed", help="Write the version and the digests of the installed code to build/."),
        ] = False,
    ) -> None:
        """Print the code and the defaults that each stage depends on, as its imports say."""
        from mtf.pipeline import code_deps

        if write + check + installed > 1:
            raise BadInput("--write, --check, --installed: only one of them is permitted")
        workspace = ProjectPaths.find()
        if installed:
            from mtf.pipeline import installed_code

            installed_code.run(workspace)
            return
        if not write and not check:
            for name, derived in code_deps.of_stages(workspace).items():
                print(f"{name}:", *derived.entries(), sep="\n  ")
            return
        found = code_deps.write(workspace) if write else code_deps.differences(workspace)
        for difference in found:
            print(*difference.lines(), sep="\n")
        if write:
            print(f"{code_deps.PIPELINE}: {len(found)} stages written")
        elif found:
            raise GateFailed(
                f"{code_deps.PIPELINE}: {len(found)} stages do not depend on the code that they run; "
                f"run `{code_deps.WRITE}`"
            )
