"""Where things lie in a project: `data/` made by people, `build/` by stages, `metrics/` and `plots/` for figures."""

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
        """The project that `start` (default: the current folder) lies in."""
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / MARKER).is_file():
                return cls(folder)
        raise MtfError(f"{here}: no {MARKER} here or above; run this inside a project, or make one with `mtf new`")

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
        """Ledger: `review/NAME/TIME.jsonl`, one file per reviewer and sitting."""
        return self.data / "review"

    @property
    def takedowns(self) -> Path:
        return self.data / "takedowns.csv"

    @property
    def attribution(self) -> Path:
        """Authors that people found where a source names none; it may be absent."""
        return self.data / "attribution.csv"

    @property
    def card(self) -> Path:
        """What the makers of the data set say of it; it may be absent."""
        return self.data / "card.yaml"

    @property
    def web(self) -> Path:
        """The sample's recorded web."""
        return self.data / "web"

    @property
    def build(self) -> Path:
        """Whatever can be made again from `data/` and the code."""
        return self.root / "build"

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

    def plots(self, name: str) -> Path:
        return self.root / "plots" / name

    def relative(self, path: Path) -> str:
        """`path` as a person in the project's root would type it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


PATHS_IN_PROJECT = ProjectPaths(Path())
"""The same paths relative to any project's root, as git, DVC and `dvc.yaml` name them: for other versions of it."""
