import http.client
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mtf.core.errors import BadInput
from mtf.crawl.recorded_web import RECORDED_AT, RESPONSES, TRUNCATE, Response, serve, write


def get(web, url):
    actual, headers = web.locate(url)
    parts = urlsplit(actual)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)
    try:
        connection.request("GET", actual.removeprefix(web.origin), headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def test_a_record_answers_with_its_status_headers_and_body(tmp_path: Path):
    write(tmp_path, [Response("https://a.example/x.jpg", 203, {"Content-Type": "image/jpeg", "X-Y": "z"}, b"bytes")])
    with serve(tmp_path) as web:
        status, headers, body = get(web, "https://a.example/x.jpg")
    assert (status, headers["Content-Type"], headers["X-Y"], body) == (203, "image/jpeg", "z", b"bytes")


def test_scheme_and_further_parameters_do_not_matter_and_the_closest_record_wins(tmp_path: Path):
    write(
        tmp_path,
        [
            Response("https://s.example/find?q=ana+b%C3%A9", body=b"first page"),
            Response("https://s.example/find?q=ana+b%C3%A9&first=20", body=b"second page"),
        ],
    )
    with serve(tmp_path) as web:
        assert get(web, "http://s.example/find?first=0&q=ana%20b%C3%A9&qft=x")[2] == b"first page"
        assert get(web, "https://s.example/find?qft=x&first=20&q=ana+b%C3%A9")[2] == b"second page"
        assert get(web, "https://s.example/find?q=someone+else")[0] == 404


def test_paths_are_compared_decoded(tmp_path: Path):
    write(tmp_path, [Response('https://a.example/a b/"ü".jpg', body=b"here")])
    with serve(tmp_path) as web:
        assert get(web, "https://a.example/a%20b/%22%C3%BC%22.jpg")[2] == b"here"


def test_an_unrecorded_host_cannot_be_connected_to(tmp_path: Path):
    write(tmp_path, [Response("https://a.example/")])
    with serve(tmp_path) as web, pytest.raises(ConnectionRefusedError, match=r"b\.example: no such host"):
        web.locate("https://b.example/")


def test_a_truncated_body_declares_more_than_it_sends(tmp_path: Path):
    write(tmp_path, [Response("https://a.example/x", headers={TRUNCATE: "10"}, body=b"0123456789abcdef")])
    with serve(tmp_path) as web, pytest.raises(http.client.IncompleteRead) as refusal:
        get(web, "https://a.example/x")
    assert refusal.value.partial == b"0123456789"


def test_requests_are_counted(tmp_path: Path):
    write(tmp_path, [Response("https://a.example/x", body=b"1")])
    with serve(tmp_path) as web:
        get(web, "https://a.example/x")
        get(web, "https://a.example/x")
        get(web, "https://a.example/nothing")
        assert web.requests == {"a.example/x": 2, "a.example/nothing": 1}


def test_the_same_responses_give_the_same_bytes_and_equal_bodies_are_kept_once(tmp_path: Path):
    responses = [Response(f"https://a.example/{name}", body=b"same") for name in "xy"]
    for folder in ("one", "two"):
        write(tmp_path / folder, responses)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["a.example.tar", RESPONSES]
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)
    assert (tmp_path / "one" / "a.example.tar").read_bytes().count(b"same") == 1


@pytest.mark.parametrize(
    "line",
    [
        "not json\n",
        '{"url": "https://a.example/"}\n',
        '{"url": "https://a.example/", "status": 200, "headers": {}, "body": "../a.tar:x"}\n',
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str):
    write(tmp_path, [Response("https://a.example/")])
    with (tmp_path / RESPONSES).open("a", encoding="utf-8") as file:
        file.write(line)
    with pytest.raises(BadInput, match=r"responses\.jsonl line 2: not a recorded response"), serve(tmp_path):
        pass


def test_answers_bear_the_time_of_the_recorded_web_unless_they_have_their_own(tmp_path: Path):
    own = "Thu, 01 Oct 2026 00:00:00 GMT"
    write(tmp_path, [Response("https://a.example/x"), Response("https://a.example/y", headers={"date": own})])
    (tmp_path / RECORDED_AT).write_text("2026-11-01T01:00:00+01:00\n", encoding="utf-8")
    with serve(tmp_path) as web:
        assert web.stand_in().recorded_at == datetime(2026, 11, 1, tzinfo=UTC)
        dates = [get(web, f"https://a.example/{name}")[1] for name in "xyz"]
    recorded = "Sun, 01 Nov 2026 00:00:00 GMT"
    assert [headers.get("Date", headers.get("date")) for headers in dates] == [recorded, own, recorded]


def test_answers_name_no_version_of_the_server_which_evidence_would_keep(tmp_path: Path):
    write(tmp_path, [Response("https://a.example/x"), Response("https://a.example/y", headers={"server": "own"})])
    with serve(tmp_path) as web:
        headers = [get(web, f"https://a.example/{name}")[1] for name in "xyz"]
    assert [each.get("Server", each.get("server")) for each in headers] == ["recorded-web", "own", "recorded-web"]


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-01T00:00:00"])
def test_a_time_of_a_recorded_web_that_cannot_be_read_is_named(tmp_path: Path, text: str):
    write(tmp_path, [Response("https://a.example/")])
    (tmp_path / RECORDED_AT).write_text(text, encoding="utf-8")
    with (
        pytest.raises(BadInput, match=r"recorded_at\.txt: '.*' is not permitted; permitted: one time"),
        serve(tmp_path),
    ):
        pass


def test_a_folder_without_a_recorded_web_is_a_bad_input(tmp_path: Path):
    with pytest.raises(BadInput, match="no recorded web here"), serve(tmp_path):
        pass
