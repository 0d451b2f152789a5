"""`mtf deps`: the derived parts of dvc.yaml: dependencies of stages on code and defaults, and the models' artifacts."""

from __future__ import annotations

from typing import Annotated

import typer

from mtf.core.errors import BadInput, GateFailed
from mtf.core.project_paths import ProjectPaths


def add_to(app: typer.Typer) -> None:
    @app.command()
    def deps(
        write: Annotated[
            bool, typer.Option("--write", help="Write the dependencies and the models' artifacts to dvc.yaml.")
        ] = False,
        check: Annotated[bool, typer.Option("--check", help="Exit with 1 if dvc.yaml has others.")] = False,
        installed: Annotated[
            bool,
            typer.Option("--installed", help="Write the version and the digests of the installed code to build/."),
        ] = False,
    ) -> None:
        """Print the code and the defaults that each stage depends on, as its imports say."""
        from mtf import config
        from mtf.pipeline import code_deps
        from mtf.project import artifacts

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
        settings = config.load(workspace.params)
        found = code_deps.write(workspace) if write else code_deps.differences(workspace)
        of_models = (artifacts.write if write else artifacts.difference)(workspace.root, settings)
        for difference in found:
            print(*difference.lines(), sep="\n")
        print("".join(f"{line}\n" for line in of_models.lines()), end="")
        if write:
            print(f"{code_deps.PIPELINE}: {len(found)} stages and {of_models.count} artifacts written")
        elif found:
            raise GateFailed(
                f"{code_deps.PIPELINE}: {len(found)} stages do not depend on the code that they run; "
                f"run `{code_deps.WRITE}`"
            )
        elif of_models.count:
            raise GateFailed(
                f"{code_deps.PIPELINE}: its artifacts are not those of the models of params.yaml; "
                f"run `{code_deps.WRITE}`"
            )
