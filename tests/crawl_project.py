"""A project with a small recorded web: result pages in the engines' own formats, pages, pictures, robots.txt."""

import csv
import hashlib
import html
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from mtf import config as params_module
from mtf.core.project_paths import ProjectPaths
from mtf.crawl.recorded_web import RESPONSES, Response, write
from mtf.pipeline import crawl as stage

CC_BY = "https://creativecommons.org/licenses/by/4.0/"
HTML = {"Content-Type": "text/html; charset=utf-8"}


def picture_bytes(seed: int = 0, kind: str = "JPEG", size: tuple[int, int] = (96, 80), **options: object) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def bing_result(url: str, *, page: str | None = None, title: str = "A title") -> str:
    record = {"cid": "x", "purl": page, "murl": url, "turl": "https://tse1.mm.bing.net/th?id=1", "t": title}
    attribute = html.escape(json.dumps(record), quote=True)
    return f'<div class="imgpt"><a class="iusc" href="/images/search?view=1" m="{attribute}"></a></div>'


def bing_page(*results: str) -> bytes:
    rows = "".join(f"<li>{result}</li>" for result in results)
    return f'<div class="dgControl hover"><ul class="dgControl_list">{rows}</ul></div>'.encode()


def bing_url(query: str, first: int, licenses: str = "license-L2_L3") -> str:
    return f"https://www.bing.com/images/async?q={quote_plus(query)}&first={first}&qft=+filterui:{licenses}"


def licensed_page(license: str = CC_BY, head: str = "") -> bytes:
    return f'<html><head>{head}</head><body><a rel="license" href="{license}">CC</a></body></html>'.encode()


@dataclass
class Project:
    """A project on disk; `responses` is its web, by address."""

    root: Path
    responses: dict[str, Response] = field(default_factory=dict)
    people: list[dict[str, str]] = field(default_factory=list)
    crawl: dict[str, object] = field(default_factory=dict)
    watch: dict[str, int] = field(default_factory=dict)
    binding: list[str] = field(default_factory=lambda: ["robots.txt", "x-robots-tag", "meta-robots", "tdmrep"])

    @property
    def workspace(self) -> ProjectPaths:
        return ProjectPaths(self.root)

    def person(self, identity: str, query: str | None = None, files: str = "") -> None:
        self.people.append({"identity": identity, "name": query or identity, "files": files})

    def answer(self, url: str, body: bytes | None = None, status: int = 200, **options: object) -> None:
        self.responses[url] = Response(url, status, body=body, **options)

    def picture(self, url: str, body: bytes, page: str | None = None, *, title: str = "A title") -> str:
        """A picture, its licensed page, and the Bing result that leads to them."""
        self.answer(url, body)
        if page is not None:
            self.responses.setdefault(page, Response(page, headers={"Content-Type": "text/html"}, body=licensed_page()))
        return bing_result(url, page=page, title=title)

    def finds(self, query: str, *pages: list[str]) -> None:
        """Add Bing's answers to `query`, page by page, and the empty page that follows."""
        for number, results in enumerate([*pages, []]):
            self.answer(bing_url(query, 20 * number), bing_page(*results))

    def takedowns(self, *rows: tuple[str, str]) -> None:
        lines = ["added_at,kind,value,reason,requested_by,reference"]
        lines += [f"2026-01-02,{kind},{value},asked,someone,ref" for kind, value in rows]
        self.workspace.data.mkdir(exist_ok=True)
        self.workspace.takedowns.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def params(self) -> params_module.Params:
        raw = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
        bounds = {"max_bytes": 30_000_000, "max_pixels": 60_000_000, "min_side_px": 64, "attempts": 5}
        pace = {"concurrency": 64, "per_host_concurrency": 4, "per_host_delay_s": 0.0, "timeout_s": 5.0}
        pace |= {"hosts": {"api.flickr.com": None}}
        sources = [{"kind": "bing", "licenses": ["commercial,modify"]}]
        raw["crawl"] = {"sources": sources, "web": "web"} | bounds | pace | self.crawl
        raw["licenses"]["binding_opt_outs"] = self.binding
        raw["watch"] = self.watch
        return params_module.parse(raw)

    def write(self) -> None:
        write(self.root / "web", self.responses.values())
        self.workspace.data.mkdir(exist_ok=True)
        with self.workspace.roster.open("w", encoding="utf-8", newline="") as file:
            labels = {column: task.labels[0] for column, task in self.params().attributes.items()}
            writer = csv.DictWriter(file, ["identity", "name", "files", *labels])
            writer.writeheader()
            writer.writerows(person | labels for person in self.people)

    def run(self, *, refresh: bool = False) -> None:
        self.write()
        stage.run(self.workspace, self.params(), refresh=refresh)

    def run_with(self, changes: dict[str, Response], **options: bool) -> None:
        """Run again on a web whose answers changed without notice, as the live web's do."""
        before = hashlib.sha256((self.root / "web" / RESPONSES).read_bytes()).hexdigest()
        self.responses |= changes
        self.write()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mtf.crawl.shard_inputs.file_digest", lambda _path: before)
            stage.run(self.workspace, self.params(), **options)

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.workspace.table("crawl", name))

    def fetch(self, url: str) -> dict[str, object]:
        return self.table("fetches").row(by_predicate=pl.col("url") == url, named=True)
