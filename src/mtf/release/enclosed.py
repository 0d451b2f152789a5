"""Documents that are copied with every export format of a release: license, credits, datasheet, card.

Most licenses require that terms and authors are passed on with the pictures, in any format.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from mtf.atomic import write_text
from mtf.errors import BadInput

README = "README.md"
COPIED = ("LICENSE.txt", "CREDITS.md", "CREDITS.html", "DATASHEET.md")
# Key of the card's header with the paths of the folders, which other formats do not have.
PLACES = "configs"


def check(release: Path) -> None:
    """Check that the release is complete. Raises BadInput if it lacks one of the documents."""
    for name in (README, *COPIED):
        if not (release / name).is_file():
            raise BadInput(f"{release / name}: no such file; build the release again (`dvc repro`)")


def write(release: Path, to: Path, form: str) -> None:
    """Copy the documents to the folder `to`, with a line in the card that names the format `form`."""
    for name in COPIED:
        shutil.copyfile(release / name, to / name)
    _, header, body = (release / README).read_text(encoding="utf-8").split("---\n", 2)
    fields = {key: value for key, value in yaml.safe_load(header).items() if key != PLACES}
    title, _, rest = body.partition("\n\n")
    says = f"This is the form `{form}` of the data set. The folders below are those of the release it was made from."
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
    write_text(to / README, f"---\n{text}---\n{title}\n\n{says}\n\n{rest}")
