"""Documents of a release: cards, datasheet, license note, citation, Croissant description, page, checksums.

- License, credits, datasheet and citation are copied with every export format, since most licenses require that terms
  and authors are passed on with the pictures. The card says what the form holds: the part between two marks is that of
  the form.
- Checksums are in `SHA256SUMS`, for `sha256sum --check SHA256SUMS`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from mtf.core import atomic_files
from mtf.core.errors import BadInput
from mtf.core.hashing import file_digest
from mtf.release import card as cards
from mtf.release import citation, croissant, dataset_page, folder_cards, license_files
from mtf.release.card import Card
from mtf.release.facts import Facts
from mtf.release.huggingface import Configuration, header
from mtf.release.layout import MissingClass

README = "README.md"
CITATION = "CITATION.cff"
COPIED = ("LICENSE.txt", "CREDITS.md", "CREDITS.html", "DATASHEET.md", CITATION)
RECALL = "recall"
COPIED_FOLDERS = (RECALL, license_files.FOLDER)
# Key of the card's header with the paths of the files.
PLACES = "configs"
# Marks around the part of the card on one form.
FORM, END_OF_FORM = "<!-- form: folders -->\n", "<!-- end of form -->\n"
CHECKSUMS = "SHA256SUMS"


def write_documents(root: Path, facts: Facts, card: Card, *, absent: Sequence[MissingClass]) -> None:
    """Write the documents to `root`, which already has the metadata tables, label names and the withdrawal list.

    `absent`: classes that a split lacks.
    """
    configs = folder_cards.configurations(root, list(facts.params.release.variants))
    bibtex = citation.bibtex(facts, card)
    readme = cards.readme(facts, card, configs=configs, bibtex=bibtex, absent=absent)
    atomic_files.write_text(root / README, readme)
    folder_cards.write_folder_cards(root, facts)
    atomic_files.write_text(root / "DATASHEET.md", cards.datasheet(facts, card))
    atomic_files.write_text(root / "LICENSE.txt", cards.license_note(facts, card))
    atomic_files.write_text(root / CITATION, citation.citation_cff(facts, card))
    described = croissant.described(facts, card, root)
    atomic_files.write_json(root / croissant.NAME, described)
    atomic_files.write_text(root / dataset_page.NAME, dataset_page.rendered(facts, card, described))


def remove_documents(root: Path) -> None:
    """Remove the files beside the folders of pictures; all of them are written again."""
    if root.is_dir():
        for path in root.iterdir():
            if path.is_file():
                path.unlink()


def check_enclosed_documents(release: Path) -> None:
    """Check that the release is complete. Raises BadInput if it lacks one of the documents."""
    for name in (README, *COPIED, *COPIED_FOLDERS):
        if not (release / name).exists():
            raise BadInput(f"{release / name}: no such file; build the release again (`dvc repro`)")
    if FORM not in (release / README).read_text(encoding="utf-8"):
        raise BadInput(f"{release / README}: written by an earlier mtf; build the release again (`dvc repro`)")


def write_enclosed_documents(
    release: Path, to: Path, *, template: str, context: Mapping[str, object], configs: Sequence[Configuration]
) -> None:
    """Copy the documents to the folder `to`, and write its card and checksums.

    - `template`, `context`: of the card's part on the form;
    - `configs`: configurations of the form, empty if Hugging Face does not open it.
    """
    for name in COPIED:
        shutil.copyfile(release / name, to / name)
    for name in COPIED_FOLDERS:
        shutil.copytree(release / name, to / name)
    _, fields, body = (release / README).read_text(encoding="utf-8").split("---\n", 2)
    before, _, rest = body.partition(FORM)
    _, _, after = rest.partition(END_OF_FORM)
    text = header(yaml.safe_load(fields) | {PLACES: list(configs)})
    part = cards.render(template, **context, configs=configs)
    atomic_files.write_text(to / README, f"---\n{text}---\n{before}{part}{after}")
    write_checksums(to, {})


def write_checksums(root: Path, pictures: Mapping[str, str]) -> None:
    """Write the SHA-256 of every file below `root`. `pictures`: path → SHA-256 (hex) of files already hashed."""
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    digests = {path: pictures.get(path) or file_digest(root / path) for path in paths if path != CHECKSUMS}
    atomic_files.write_text(root / CHECKSUMS, "".join(f"{digest}  {path}\n" for path, digest in digests.items()))
