"""The documents that go with every form of a release: under which terms, by whom, and what is in it.

Most licenses ask that terms and authors travel with the pictures, in whichever form these are passed on.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from mtf.atomic import write_text
from mtf.errors import BadInput

README = "README.md"
COPIED = ("LICENSE.txt", "CREDITS.md", "CREDITS.html", "DATASHEET.md")
# Of the card's header: where the files of the folders lie, which a form has elsewhere.
PLACES = "configs"


def check(release: Path) -> None:
    """Raises BadInput where the release lacks one of them, as one that was not finished does."""
    for name in (README, *COPIED):
        if not (release / name).is_file():
            raise BadInput(f"{release / name}: no such file; build the release again (`dvc repro`)")


def write(release: Path, to: Path, form: str) -> None:
    """Copy them beside the form, the card with a line that says which form this is."""
    for name in COPIED:
        shutil.copyfile(release / name, to / name)
    _, header, body = (release / README).read_text(encoding="utf-8").split("---\n", 2)
    fields = {key: value for key, value in yaml.safe_load(header).items() if key != PLACES}
    title, _, rest = body.partition("\n\n")
    says = f"This is the form `{form}` of the data set. The folders below are those of the release it was made from."
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
    write_text(to / README, f"---\n{text}---\n{title}\n\n{says}\n\n{rest}")
