"""Settled identities: their shards are not read, and every table has the bytes that reading them gives."""

import pytest

from crawl_project import HTML, licensed_page, picture_bytes
from mtf.core.errors import GateFailed
from mtf.crawl import settled, store, visits
from mtf.crawl.recorded_web import Response
from mtf.crawl.shard_inputs import ShardInputs

NC = "https://creativecommons.org/licenses/by-nc/4.0/"
PEOPLE = ("ana", "ben", "cem")


def page(who: str, number: int, body: bytes | None = None, status: int = 200) -> Response:
    body = licensed_page() if body is None else body
    return Response(f"https://{who}.example/{number}", status, headers=HTML, body=body)


@pytest.fixture
def crawled(project, monkeypatch):
    """Three people, two pictures each, on a web without a digest, as the live one. All are due after 7 days."""
    monkeypatch.setattr(ShardInputs, "_web", None)
    project.watch = {"recheck_days": 7, "recheck_max_days": 7, "search_days": 3000}
    for place, who in enumerate(PEOPLE):
        project.person(who)
        pictures = [picture_bytes(10 * place + n) for n in range(2)]
        results = [project.picture(f"{page(who, n).url}.jpg", b, page(who, n).url) for n, b in enumerate(pictures)]
        project.finds(who, results)
        project.responses |= {page(who, n).url: page(who, n) for n in range(2)}
    project.run()
    return project


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """Shards that a run reads, by either way."""
    found: list[str] = []
    for name in ("load", "read_tables"):
        was = getattr(store, name)
        monkeypatch.setattr(store, name, lambda path, was=was: found.append(path.stem) or was(path))
    return found


def contents(project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(project.workspace.stage("crawl").glob("*.parquet"))}


def gathered_anew(project) -> dict[str, bytes]:
    """The tables, made from all shards."""
    (project.workspace.stage("crawl") / settled.TABLE).unlink()
    project.run_with({})
    return contents(project)


def test_nothing_is_read_or_written_if_nothing_is_due(crawled, read, capsys):
    before = {path: path.stat().st_mtime_ns for path in crawled.workspace.stage("crawl").rglob("*")}
    crawled.run_with({}, due=True)
    assert read == [] and "3 left as they were" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_only_who_is_due_is_read_and_the_tables_have_the_bytes_of_a_whole_gathering(crawled, read, monkeypatch):
    drifted, gone = page("ben", 0, body=licensed_page(NC)), page("ben", 1, status=404)
    is_due = visits.Due.is_due
    monkeypatch.setattr(visits.Due, "is_due", lambda self, who, *rest: who == "ben" or is_due(self, who, *rest))
    crawled.run_with({drifted.url: drifted, gone.url: gone}, due=True)
    assert read == ["ben", "ben"]
    assert crawled.table("evidence")["license"].to_list().count("CC-BY-NC-4.0") == 1
    assert crawled.table("visits").drop_nulls("image_id")["identity"].to_list() == ["ben"] * 2
    after = contents(crawled)
    assert len(after) == 7 and gathered_anew(crawled) == after


def test_who_joins_or_leaves_the_roster_changes_only_the_own_rows(crawled, read):
    project, (ana, *others) = crawled, crawled.people
    project.people[:] = others
    project.run_with({})
    assert read == [] and project.table("images").height == 4
    project.people[:] = [*others[::-1], ana]
    project.run_with({})
    assert set(read) == {"ana"} and project.table("images")["identity"].to_list()[::2] == ["cem", "ben", "ana"]
    after = contents(crawled)
    assert gathered_anew(crawled) == after


@pytest.mark.parametrize("what", ["shard", "table", "takedown", "killed"])
def test_whatever_does_not_fit_is_read_again(crawled, read, what, monkeypatch):
    stage = crawled.workspace.stage("crawl")
    if what == "shard":
        shard = crawled.workspace.shard("crawl", "cem")
        earlier = store.load(shard)
        fetches = list(earlier.fetches.values())[:1]
        store.write(shard, "cem", fetches, earlier.inputs)
    elif what == "table":
        (stage / "fetches.parquet").write_bytes((stage / "images.parquet").read_bytes())
    elif what == "takedown":
        crawled.takedowns(("picture", f"{page('cem', 0).url}.jpg"))
    else:
        write = settled.write
        monkeypatch.setattr(settled, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        crawled.person("dia")
        with pytest.raises(KeyboardInterrupt):
            crawled.run_with({})
        monkeypatch.setattr(settled, "write", write)
    crawled.run_with({})
    after = contents(crawled)
    assert crawled.table("images").height == (5 if what in ("shard", "takedown") else 6)
    assert gathered_anew(crawled) == after


def test_a_source_without_any_picture_is_named_again_by_a_run_that_reads_nobody_anew(project, capsys):
    project.person("ana")
    project.finds("ana", [])
    said = []
    for _ in range(2):
        with pytest.raises(GateFailed, match="yielded no picture for any identity: nothing was found") as failed:
            project.run()
        said.append(str(failed.value))
    assert said[0] == said[1] and "1 left as they were" in capsys.readouterr().out
