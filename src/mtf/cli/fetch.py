"""`mtf fetch`: the pictures of a list of addresses, in shards that readers of img2dataset's output read."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtf.cli import option_names
from mtf.core import parallel_map
from mtf.core.console import progress_bar
from mtf.core.counts import number
from mtf.core.errors import BadInput
from mtf.fetch import PRELOADED

if TYPE_CHECKING:
    from mtf.fetch.fetching import FetchReport

_KEYS_OF_RAY = {
    "compute.engine: 'ray' needs": "--ray: needs",
    "compute.address:": "--ray:",
    ", or use 'local'": ", or leave --ray out",
    ", or use compute.engine: local": ", or leave --ray out",
    # `mtf doctor` asks the cluster of params.yaml.
    "; `mtf doctor` says more": "",
}


def add_to(app: typer.Typer) -> None:
    @app.command()
    def fetch(
        source: Annotated[
            Path,
            typer.Argument(
                metavar="LIST", help="List of addresses, or a folder of lists: Parquet, CSV, TSV, text, JSON lines."
            ),
        ],
        to: Annotated[
            str, typer.Option(help="Folder for the shards, or s3://BUCKET/FOLDER. The same command continues in it.")
        ],
        output_format: Annotated[
            str, typer.Option("--format", help="webdataset (tars), parquet, or files.")
        ] = "webdataset",
        list_format: Annotated[
            str | None, typer.Option(help="parquet, csv, tsv, txt or jsonl. Default: by the list's name.")
        ] = None,
        url_column: Annotated[str, typer.Option(help="Column with the pictures' addresses.")] = "url",
        caption_column: Annotated[str | None, typer.Option(help="Column with captions.")] = None,
        page_column: Annotated[
            str | None,
            typer.Option(help="Column with the pages that show the pictures: fetched first, for license and opt-outs."),
        ] = None,
        license_column: Annotated[
            str | None, typer.Option(help="Column with the licenses that the list claims.")
        ] = None,
        keep_columns: Annotated[str, typer.Option(help="Further columns to keep, separated by commas.")] = "",
        shard_size: Annotated[int, typer.Option(min=10, max=1_000_000, help="Addresses of a shard.")] = 10_000,
        processes: Annotated[int, typer.Option(min=0, max=1024, help="Processes; 0 for one on each core.")] = 0,
        ray: Annotated[
            str | None,
            typer.Option(
                metavar="ADDRESS",
                help="Fetch on this Ray cluster; `local` starts Ray on this machine. All machines must see the folder, "
                "or reach the object store.",
            ),
        ] = None,
        requests: Annotated[int, typer.Option(help="Requests at a time, over all processes.")] = 256,
        host_requests: Annotated[int, typer.Option(help="Requests at a time to one host.")] = 4,
        host_delay: Annotated[float, typer.Option(help="Seconds between two requests to one host, at least.")] = 0.5,
        timeout: Annotated[float, typer.Option(help="Seconds for one whole answer.")] = 30.0,
        max_bytes: Annotated[int, typer.Option(help="Largest file.")] = 30_000_000,
        max_pixels: Annotated[int, typer.Option(help="Largest picture, width × height.")] = 60_000_000,
        min_side: Annotated[int, typer.Option(help="Smallest shorter side of a picture, in pixels.")] = 1,
        record_only: Annotated[
            str,
            typer.Option(
                metavar="SIGNALS", help="Opt-outs that are recorded and do not refuse a picture, separated by commas."
            ),
        ] = "",
        contact: Annotated[
            str | None, typer.Option(help="Address or e-mail for the User-Agent, so that a site can write to you.")
        ] = None,
        exif: Annotated[bool, typer.Option(help="Write the column exif.")] = True,
        web: Annotated[
            Path | None,
            typer.Option(metavar="FOLDER", help="Recorded web that is served in place of the live one, to try it."),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    ) -> None:
        """Fetch the pictures of a list with robots.txt, opt-outs and licenses, into shards like img2dataset's."""
        if ray is None and processes != 1:
            # Another process loads what all processes of the fetch need, while this one loads its own modules.
            parallel_map.process_context(PRELOADED)
        from mtf.crawl import recorded_web
        from mtf.fetch import fetching, options, target, url_list

        if web is not None and not (web / recorded_web.RESPONSES).is_file():
            raise BadInput(f"--web: {web}: no recorded web; permitted: a folder with {recorded_web.RESPONSES}")
        wanted = options.FetchOptions(
            source=source,
            folder=Path(to),
            target=target.Target(to.rstrip("/")) if "://" in to else None,
            crawl=options.limits(
                concurrency=requests,
                per_host_concurrency=host_requests,
                per_host_delay_s=host_delay,
                timeout_s=timeout,
                max_bytes=max_bytes,
                max_pixels=max_pixels,
                min_side_px=min_side,
            ),
            columns=options.ListColumns(url_column, caption_column, page_column, license_column, _names(keep_columns)),
            list_format=list_format,
            output_format=output_format,
            shard_size=shard_size,
            binding=options.binding_signals(_names(record_only)),
            contact=contact,
            has_exif=exif,
        )
        with (
            nullcontext(None) if web is None else recorded_web.serve(web) as served,
            progress_bar() as progress,
            option_names.replacing_keys({} if ray is None else _KEYS_OF_RAY),
        ):
            bar = progress.add_task("fetch", total=url_list.count(wanted))
            report = fetching.run(
                wanted,
                processes=processes,
                cluster=None if ray is None else options.cluster(ray, processes),
                web=None if served is None else served.stand_in(),
                on_shard=lambda addresses: progress.advance(bar, addresses),
            )
        if as_json:
            print(json.dumps(report.as_json(), indent=2))
        else:
            _print(report, wanted.place)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _print(report: FetchReport, place: str) -> None:
    from mtf.fetch.fetching import RUN_FOLDER, STATS

    kept = f", {report.kept} of them fetched before" if report.kept else ""
    print(f"{number(report.count, 'address', 'addresses')} in {number(report.shards, 'shard')}{kept}")
    megabytes = report.size_bytes / 1e6
    print(f"  {number(report.successes, 'picture')}, {megabytes:,.1f} MB")
    failures = [f"{name} {count:,}" for name, count in report.outcomes.most_common() if name != "stored"]
    if failures:
        print(f"  not fetched: {', '.join(failures)}")
    if report.made_count:
        print(f"  {report.made_count / max(report.seconds, 1e-3):,.0f} addresses/s")
    print(f"{place}/{RUN_FOLDER}/{STATS}")
