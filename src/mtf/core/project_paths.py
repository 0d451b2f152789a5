"""Paths of a project: `data/` is made by people, `build/`, `metrics/` and `plots/` by stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mtf.core.errors import MtfError

MARKER = "params.yaml"


@dataclass(frozen=True)
class ProjectPaths:
    """The paths of one project. `root` is the folder that holds `params.yaml`."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> ProjectPaths:
        """The project that holds `start` (default: the current folder). Raises MtfError if there is none."""
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / MARKER).is_file():
                return cls(folder)
        raise MtfError(f"{here}: no {MARKER} here or above; run this inside a project, or make one with `mtf new DIR`")

    @property
    def params(self) -> Path:
        return self.root / MARKER

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def roster(self) -> Path:
        return self.data / "roster.csv"

    @property
    def review(self) -> Path:
        """Ledger: `review/NAME/TIME.jsonl`, one file per reviewer and session."""
        return self.data / "review"

    @property
    def certificate(self) -> Path:
        """Plan and answers of the certificate on wrong people; may be absent."""
        return self.data / "certificate"

    @property
    def takedowns(self) -> Path:
        return self.data / "takedowns.csv"

    @property
    def receipts(self) -> Path:
        """Receipts of erasures."""
        return self.data / "receipts"

    @property
    def withdrawals(self) -> Path:
        """Withdrawal list: digests and codes of the released files that were withdrawn; absent while there are none."""
        return self.data / "withdrawals.txt"

    @property
    def recipients(self) -> Path:
        """People who have a copy of a release; may be absent."""
        return self.data / "recipients.csv"

    @property
    def acknowledgements(self) -> Path:
        """Answers of recipients to messages on withdrawals; may be absent."""
        return self.data / "acknowledgements.csv"

    @property
    def attribution(self) -> Path:
        """Authors that people found for pictures whose source names none; may be absent."""
        return self.data / "attribution.csv"

    @property
    def local_sources(self) -> Path:
        """Listing of the folders and archives that the crawl read, without their paths; absent if there are none."""
        return self.data / "sources.csv"

    @property
    def consent(self) -> Path:
        """Consents of the people on the roster; may be absent."""
        return self.data / "consent.csv"

    @property
    def card(self) -> Path:
        """Text of the data set's card, written by its makers; may be absent."""
        return self.data / "card.yaml"

    @property
    def web(self) -> Path:
        """The sample's recorded web."""
        return self.data / "web"

    @property
    def build(self) -> Path:
        """Results of the stages: all of it can be made again from `data/` and the code."""
        return self.root / "build"

    @property
    def evidence(self) -> Path:
        """Exported evidence, `IDENTITY.wacz`; an erasure takes single records out of these files."""
        return self.build / "evidence"

    def stage(self, name: str) -> Path:
        return self.build / name

    def table(self, stage: str, table: str) -> Path:
        return self.stage(stage) / f"{table}.parquet"

    def shards(self, stage: str) -> Path:
        return self.stage(stage) / "shards"

    def shard(self, stage: str, identity: str) -> Path:
        return self.shards(stage) / f"{identity}.tar"

    @property
    def metrics_folder(self) -> Path:
        return self.root / "metrics"

    def metrics(self, name: str) -> Path:
        return self.metrics_folder / f"{name}.json"

    def headline(self, name: str) -> Path:
        """Headline figures of one stage: the few that DVC shows as metrics and compares."""
        return self.metrics(f"headline/{name}")

    def plots(self, name: str) -> Path:
        return self.root / "plots" / name

    def relative(self, path: Path) -> str:
        """Path relative to the project's root, for messages; unchanged if it lies outside."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


PATHS_IN_PROJECT = ProjectPaths(Path())
"""Paths relative to the project's root, as git, DVC and `dvc.yaml` name them: for reading other revisions."""
