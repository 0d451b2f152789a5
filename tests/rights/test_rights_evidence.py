"""What pages, files, records and terms state; and what is made of it beside a claim."""

from __future__ import annotations

import io
import json
import time

import piexif
import pytest
from PIL import Image, PngImagePlugin

from mtf import schemas
from mtf.core.errors import BadInput
from mtf.rights.evidence import combination
from mtf.rights.evidence.combination import combine, read_page, read_picture
from mtf.rights.evidence.statement import Statement
from mtf.rights.licenses import catalogue

PAGE = "https://photos.example.org/view/7"
PICTURE = "https://media.example.org/a/7.jpg"
BY = "https://creativecommons.org/licenses/by/4.0/"
BY_SA = "https://creativecommons.org/licenses/by-sa/3.0/"
BY_NC = "https://creativecommons.org/licenses/by-nc/2.0/"


def page(html: str) -> Statement:
    return read_page(html.encode(), page_url=PAGE, picture_url=PICTURE)


def linked(*nodes: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(nodes[0] if len(nodes) == 1 else nodes)}</script>'


@pytest.mark.parametrize(
    ("html", "license", "method"),
    [
        (f'<a rel="license" href="{BY}">CC</a>', "CC-BY-4.0", "page: rel=license"),
        (f'<a rel="noopener License nofollow" href="{BY}">CC</a>', "CC-BY-4.0", "page: rel=license"),
        (f'<a href="{BY}">Some rights</a>', "CC-BY-4.0", "page: link"),
        (f'<meta itemprop="license" content="{BY}">', "CC-BY-4.0", "page: itemprop=license"),
        (f'<a property="cc:license" href="{BY}">x</a>', "CC-BY-4.0", "page: property=cc:license"),
        ('<span property="dct:license">CC BY-SA 4.0</span>', "CC-BY-SA-4.0", "page: property=dct:license"),
        ('<meta name="dc.rights" content="CC BY 2.0">', "CC-BY-2.0", "page: meta dc.rights"),
        (linked({"@type": "ImageObject", "license": BY}), "CC-BY-4.0", "page: json-ld license"),
        (linked({"@type": "ImageObject", "license": {"@id": BY}}), "CC-BY-4.0", "page: json-ld license"),
        (linked({"@type": "ImageObject", "license": [BY, "CC BY 4.0"]}), "CC-BY-4.0", "page: json-ld license"),
        (linked({"@graph": [{"@type": "WebPage", "primaryImageOfPage": {"license": BY}}]}), "CC-BY-4.0", None),
        (
            linked({"@type": "Photograph", "copyrightNotice": "All rights reserved"}),
            "LicenseRef-All-Rights-Reserved",
            None,
        ),
        ("<footer>© 2020 The Site. All rights reserved.</footer>", "LicenseRef-All-Rights-Reserved", "page: words"),
        (f'<a rel="license" href="{BY}">x</a><footer>All rights reserved.</footer>', "CC-BY-4.0", None),
        (f'<a rel="license" href="{BY}">x</a><a href="https://creativecommons.org/about/">y</a>', "CC-BY-4.0", None),
        (f'<a rel="license" href="{BY}">x</a> <a href="{BY}deed.fr">y</a>', "CC-BY-4.0", None),
        ('<a rel="license" href="/terms">Our terms</a>', None, "page: rel=license"),
        ("<p>This photo is CC BY 4.0, honestly.</p>", None, None),
        ("<p>Nothing</p>", None, None),
    ],
)
def test_a_page_states_its_license_in_many_ways(html: str, license: str | None, method: str | None) -> None:
    said = page(f"<!doctype html><html><head><title>T</title></head><body>{html}</body></html>")
    assert said.license == license
    assert said.contradiction is None
    assert method is None or said.method == method


@pytest.mark.parametrize(
    ("html", "sides"),
    [
        (f'<a rel="license" href="{BY}">x</a><a rel="license" href="{BY_NC}">y</a>', ("CC-BY-4.0", "CC-BY-NC-2.0")),
        (f'<a rel="license" href="{BY}">x</a><a href="{BY_NC}">y</a>', ("CC-BY-4.0", "CC-BY-NC-2.0")),
        (
            linked(
                {"@type": "ImageObject", "contentUrl": PICTURE, "license": BY, "copyrightNotice": "All rights reserved"}
            ),
            ("CC-BY-4.0", "LicenseRef-All-Rights-Reserved"),
        ),
    ],
)
def test_two_licenses_on_one_page_are_a_contradiction_that_names_both(html: str, sides: tuple[str, str]) -> None:
    said = page(html)
    assert said.license is None
    assert said.contradiction is not None and all(side in said.contradiction for side in sides)


@pytest.mark.parametrize(
    "html",
    [
        linked({"@type": "ImageObject", "contentUrl": PICTURE, "license": BY_SA}),
        linked(
            {
                "@type": "https://schema.org/ImageObject",
                "contentUrl": "http://media.example.org/a/7.jpg#x",
                "license": BY_SA,
            }
        ),
        linked(
            {"@type": "ImageObject", "contentUrl": PICTURE, "license": BY_SA},
            {"@type": "ImageObject", "contentUrl": "https://media.example.org/a/8.jpg", "license": BY_NC},
        ),
        f'<figure><img src="{PICTURE}"><a rel="license" href="{BY_SA}">x</a></figure>'
        f'<figure><img src="/b/8.jpg"><a rel="license" href="{BY_NC}">x</a></figure>',
        f'<div itemscope itemtype="https://schema.org/ImageObject"><link itemprop="contentUrl" href="{PICTURE}">'
        f'<a itemprop="license" href="{BY_SA}">x</a></div>',
        f'<span about="{PICTURE}"><a rel="license" about="{PICTURE}" href="{BY_SA}">x</a></span>',
    ],
)
def test_what_is_said_at_the_picture_decides_alone(html: str) -> None:
    said = page(f'{html}<footer>Text: <a rel="license" href="{BY}">CC</a></footer>')
    assert (said.license, said.contradiction) == ("CC-BY-SA-3.0", None)


def test_another_pictures_license_is_not_this_ones() -> None:
    html = f'<figure><img src="/b/8.jpg"><a rel="license" href="{BY}">x</a></figure>'
    assert page(html).license is None
    assert page(linked({"@type": "ImageObject", "contentUrl": "/b/8.jpg", "license": BY})).license is None


def test_terms_at_the_picture_that_are_not_understood_are_not_replaced_by_the_pages() -> None:
    node = {"@type": "ImageObject", "contentUrl": PICTURE, "license": "https://agency.example.org/eula"}
    said = page(linked(node) + f'<footer><a rel="license" href="{BY}">CC</a></footer>')
    assert said.license is None
    fields = combine("commercial,modify", said)
    assert fields["stated"] == "unstated"
    assert "https://agency.example.org/eula" in (fields["detail"] or "")


def test_author_and_title_are_read_without_control_characters() -> None:
    node = {
        "@type": "ImageObject",
        "contentUrl": PICTURE,
        "license": BY,
        "name": "A\u202e \x07portrait\n of  two",
        "creator": {"@type": "Person", "name": "N. N.", "url": "javascript:alert(1)"},
    }
    said = page(linked(node))
    assert (said.title, said.creator, said.creator_url) == ("A portrait of two", "N. N.", None)
    other = page(
        f'<title>T &amp; U</title><a rel="author" href="/people/n">N. N.</a><a rel="license" href="{BY}">x</a>'
    )
    assert (other.title, other.creator, other.creator_url) == ("T & U", "N. N.", "https://photos.example.org/people/n")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"\x00" * 1000,
        b"\xff\xfe<\x00h\x00t\x00m\x00l\x00>\x00",
        b"<div>" * 200_000,
        b"<a rel=license href=" * 50_000,
        b'<!DOCTYPE h [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><p>&b;&b;&b;',
        b"<script type='application/ld+json'>" + b"[" * 200_000 + b"</script>",
        b"<script type='application/ld+json'>" + b'{"a":' * 50_000 + b"</script>",
        b"<script type='application/ld+json'>" + json.dumps([{"license": "x" * 50}] * 5_000).encode() + b"</script>",
        b"<base href='http://[bad'><a rel=license href='http://[worse'>",
        b"<figure>" + b"<a rel=license href='/x'><img src='/a'></a>" * 30_000,
        b"<figure><a rel=license href=/x>y</a>" * 100 + b"<img src='/a'>" * 50_000,
        b"<p property=license>" * 60 + b"x" * 1_000_000,
        b"<meta charset='not-a-charset'><p>\xe9\xff",
        b"<?xml version='1.0'?><!DOCTYPE x SYSTEM 'file:///etc/passwd'><html>&x;</html>",
    ],
)
def test_a_hostile_page_states_nothing_in_little_time(body: bytes) -> None:
    start = time.process_time()
    said = read_page(body, page_url=PAGE, picture_url=PICTURE)
    assert said.license is None
    assert time.process_time() - start < 5


def test_a_page_in_another_encoding_is_read() -> None:
    html = f'<meta charset="iso-8859-1"><title>Porträt</title><a rel="license" href="{BY}">x</a>'
    said = read_page(html.encode("latin-1"), page_url=PAGE, picture_url=PICTURE)
    assert (said.title, said.license) == ("Porträt", "CC-BY-4.0")


XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:cc="http://creativecommons.org/ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/"
 xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/">
<rdf:Description rdf:about="" %s>%s</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def jpeg(xmp: str | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    extra = {"xmp": xmp.encode()} if xmp else {}
    Image.new("RGB", (8, 8)).save(out, "JPEG", **extra, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("attributes", "elements", "license"),
    [
        (f'xmpRights:WebStatement="{BY}"', "", "CC-BY-4.0"),
        ("", f"<xmpRights:WebStatement>{BY}</xmpRights:WebStatement>", "CC-BY-4.0"),
        ("", f'<cc:license rdf:resource="{BY_SA}"/>', "CC-BY-SA-3.0"),
        (
            "",
            "<dc:rights><rdf:Alt><rdf:li>© N. N. All rights reserved.</rdf:li></rdf:Alt></dc:rights>",
            "LicenseRef-All-Rights-Reserved",
        ),
        ('xmpRights:WebStatement="https://photos.example.org/me"', "", None),
    ],
)
def test_a_file_states_its_license_in_xmp(attributes: str, elements: str, license: str | None) -> None:
    assert read_picture(jpeg(XMP % (attributes, elements))).license == license


def test_a_file_names_its_author_and_its_opt_out() -> None:
    said = read_picture(
        jpeg(
            XMP
            % (
                'plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"',
                "<dc:creator><rdf:Seq><rdf:li>N. N.</rdf:li></rdf:Seq></dc:creator>"
                "<dc:title><rdf:Alt><rdf:li>A title</rdf:li></rdf:Alt></dc:title>",
            )
        )
    )
    assert (said.creator, said.title) == ("N. N.", "A title")
    assert said.opt_out == "iptc-data-mining: DMI-PROHIBITED-AIMLTRAINING"


def test_png_and_exif_are_read_too() -> None:
    out, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP % (f'xmpRights:WebStatement="{BY}"', ""))
    Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=info)
    assert read_picture(out.getvalue()).license == "CC-BY-4.0"
    exif = piexif.dump({"0th": {piexif.ImageIFD.Copyright: b"CC BY 2.0", piexif.ImageIFD.Artist: b"N. N."}})
    said = read_picture(jpeg(exif=exif))
    assert (said.license, said.creator, said.method) == ("CC-BY-2.0", "N. N.", "file: exif copyright")


def test_iptc_is_read() -> None:
    def dataset(number: int, text: bytes) -> bytes:
        return b"\x1c\x02" + bytes([number]) + len(text).to_bytes(2, "big") + text

    records = dataset(116, b"All rights reserved") + dataset(80, "Zoë".encode("latin-1"))
    resource = b"8BIM\x04\x04\x00\x00" + len(records).to_bytes(4, "big") + records + b"\x00" * (len(records) % 2)
    segment = b"Photoshop 3.0\x00" + resource
    plain = jpeg()
    data = plain[:2] + b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment + plain[2:]
    said = read_picture(data)
    assert (said.license, said.creator) == ("LicenseRef-All-Rights-Reserved", "Zoë")


@pytest.mark.parametrize(
    "xmp",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        "<x>" * 3_000,
        "not xml at all",
        "<a:b>",
    ],
)
def test_a_hostile_packet_states_nothing(xmp: str) -> None:
    assert read_picture(jpeg(xmp)) == Statement()


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"GIF89a", b"<html>", jpeg()[:40], jpeg()])
def test_a_file_without_metadata_or_no_file_states_nothing(data: bytes) -> None:
    assert read_picture(data) == Statement()


STATED = page(f'<title>T</title><a rel="license" href="{BY}">x</a>')
RESTRICTED = page(f'<a rel="license" href="{BY_NC}">x</a>')
RESERVED = page("<footer>All rights reserved.</footer>")
NC_IN_FILE = Statement(license="CC-BY-NC-4.0", method="file: x")
BY_IN_FILE = Statement(license="CC-BY-4.0", method="file: x")
SILENT = page("<p>Nothing</p>")


@pytest.mark.parametrize(
    ("claim", "said", "in_file", "unreachable", "stated", "license", "detail"),
    [
        ("commercial,modify", STATED, None, None, "stated", "CC-BY-4.0", None),
        (None, STATED, None, None, "stated", "CC-BY-4.0", None),
        ("commercial,modify", SILENT, None, None, "unstated", None, None),
        ("commercial,modify", None, None, "http_error: status 404", "unreachable", None, "status 404"),
        ("commercial,modify", RESTRICTED, None, None, "contradiction", "CC-BY-NC-2.0", "promises commercial"),
        ("commercial,modify", RESERVED, None, None, "contradiction", "LicenseRef-All-Rights-Reserved", "share"),
        ("noncommercial", RESTRICTED, None, None, "stated", "CC-BY-NC-2.0", None),
        ("noncommercial,modify", STATED, None, None, "stated", "CC-BY-4.0", None),
        ("publicdomain", STATED, None, None, "stated", "CC-BY-4.0", None),
        ("CC BY-SA 4.0", STATED, None, None, "contradiction", "CC-BY-4.0", "the claim says CC-BY-SA-4.0"),
        ("CC BY 4.0", STATED, None, None, "stated", "CC-BY-4.0", None),
        ("CC BY", STATED, None, None, "stated", "CC-BY-4.0", None),
        ("commercial,modify", STATED, NC_IN_FILE, None, "contradiction", None, "the file CC-BY-NC-4.0"),
        ("commercial,modify", None, BY_IN_FILE, "timeout", "stated", "CC-BY-4.0", "timeout"),
        (None, None, None, None, "unstated", None, None),
    ],
)  # fmt: skip
def test_evidence_is_compared_with_the_claim(
    claim: str | None,
    said: Statement | None,
    in_file: Statement | None,
    unreachable: str | None,
    stated: str,
    license: str | None,
    detail: str | None,
) -> None:
    fields = combine(claim, said, in_file, unreachable=unreachable)
    assert (fields["stated"], fields["license"]) == (stated, license)
    assert (fields["detail"] is None) if detail is None else (detail in (fields["detail"] or ""))


UNVERSIONED = Statement(license="LicenseRef-CC-BY", license_url="https://cc.example/by", method="x")


@pytest.mark.parametrize(("page_says", "file_says"), [(UNVERSIONED, BY_IN_FILE), (BY_IN_FILE, UNVERSIONED)])
def test_of_two_that_agree_the_one_with_a_version_counts(page_says: Statement, file_says: Statement) -> None:
    fields = combine("CC BY", page_says, file_says)
    assert (fields["stated"], fields["license"], fields["method"]) == ("stated", "CC-BY-4.0", "file: x")
    assert fields["license_url"] is None, "an address goes with the license that it is of"


def test_a_license_without_a_version_agrees_with_a_port_but_not_with_another_family() -> None:
    port = Statement(license="CC-BY-3.0-DE", method="file: x")
    assert combine(None, UNVERSIONED, port)["license"] == "CC-BY-3.0-DE"
    assert combine(None, UNVERSIONED, Statement(license="CC-BY-SA-4.0", method="file: x"))["stated"] == "contradiction"


def test_the_fields_of_the_evidence_are_columns_of_its_table() -> None:
    assert set(combine(None, STATED)) <= set(schemas.EVIDENCE.dtypes)


def test_no_opt_out_hides_another() -> None:
    said = page('<meta name="robots" content="noai"><meta name="tdm-reservation" content="1">')
    fields = combine(None, said, Statement(opt_out="iptc-data-mining: DMI-PROHIBITED"), opt_out="robots.txt: all")
    expected = "robots.txt: all; meta-robots: noai; tdmrep: meta tdm-reservation 1; iptc-data-mining: DMI-PROHIBITED"
    assert fields["opt_out"] == expected


def test_a_data_set_states_its_own_terms() -> None:
    said = combination.of_data_set("CC BY 4.0", "Kärkkäinen and Joo")
    assert (said.license, said.method, said.creator) == ("CC-BY-4.0", "data_set_terms", "Kärkkäinen and Joo")
    assert combine(None, said)["stated"] == "stated"
    assert combine(None, combination.of_data_set(None))["stated"] == "unstated"
    assert combine(None, combination.of_data_set("LicenseRef-Unstated"))["stated"] == "unstated"
    assert combination.of_data_set("LicenseRef-Our-Terms").license == "LicenseRef-Our-Terms"
    with pytest.raises(BadInput, match=r"crawl.sources.license: 'free as in beer' is not permitted"):
        combination.of_data_set("free as in beer")


@pytest.mark.parametrize(
    ("words", "address", "license"),
    [
        ("GFDL", "https://www.gnu.org/copyleft/fdl.html", "GFDL-1.2-or-later"),
        ("GNU Free Documentation License", "//www.gnu.org/licenses/fdl.html", "GFDL-1.2-or-later"),
        ("GFDL 1.3", "https://www.gnu.org/copyleft/fdl.html", "GFDL-1.3-or-later"),
        ("GFDL 1.2", "https://www.gnu.org/licenses/fdl-1.3.html", None),
        ("CC BY-SA 3.0", "https://www.gnu.org/copyleft/fdl.html", None),
        ("FAL", "http://artlibre.org/licence/lal/en", "LAL-1.3"),
    ],
)
def test_an_address_of_whichever_version_is_the_newest_contradicts_no_version(
    words: str, address: str, license: str | None
) -> None:
    found = combination.of_record("api", [words, address])
    assert (found.license, found.contradiction is None) == (license, license is not None)


def test_gfdl_by_its_address_alone_is_permitted_with_any_version_of_it() -> None:
    assert catalogue.covering("LicenseRef-GFDL") == ("LicenseRef-GFDL", "GFDL-1.2-or-later")


def test_an_apis_record_has_to_agree_with_itself() -> None:
    record = combination.of_record("commons api", ["CC BY-SA 3.0", BY_SA], creator="N. N.", creator_url="ftp://x/")
    assert (record.license, record.license_url, record.creator_url) == ("CC-BY-SA-3.0", BY_SA, None)
    torn = combination.of_record("commons api", ["CC BY 4.0", BY_SA])
    assert torn.license is None and "CC-BY-SA-3.0" in (torn.contradiction or "")
