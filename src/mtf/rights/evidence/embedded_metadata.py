"""Embedded metadata of a picture's file (XMP, IPTC, EXIF), parsed for its license."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

from lxml import etree  # ty: ignore[missing-module-member]  (compiled, without stubs)
from PIL import ExifTags, Image, ImageFile, IptcImagePlugin, TiffImagePlugin

from mtf.rights.evidence.statement import LicenseMention, Statement, address_of, cleaned, conclude
from mtf.rights.signals import c2pa_manifest, opt_outs
from mtf.rights.signals.preferences import Answer, Preference, Signal, Use
from mtf.rights.signals.preferences import opt_outs as texts_of

MAX_XMP_BYTES = 1024 * 1024
MAX_VALUES = 20
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XMP_RIGHTS = "{http://ns.adobe.com/xap/1.0/rights/}"
_CC = "{http://creativecommons.org/ns#}"
_CC_OLD = "{http://web.resource.org/cc/}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_DCT = "{http://purl.org/dc/terms/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_PLUS = "{http://ns.useplus.org/ldf/xmp/1.0/}"

# Fields whose value is a license, and fields with notices of any kind.
_LICENSES = {f"{_CC}license": "cc:license", f"{_CC_OLD}license": "cc:license", f"{_DCT}license": "dct:license"}
_NOTICES = {
    f"{_XMP_RIGHTS}WebStatement": "xmpRights:WebStatement",
    f"{_XMP_RIGHTS}UsageTerms": "xmpRights:UsageTerms",
    f"{_DC}rights": "dc:rights",
    f"{_PHOTOSHOP}Copyright": "photoshop:Copyright",
}
_CREATORS = (f"{_CC}attributionName", f"{_DC}creator", f"{_PHOTOSHOP}Credit", f"{_XMP_RIGHTS}Owner")
_CREATOR_ADDRESSES = (f"{_CC}attributionURL", f"{_PLUS}LicensorURL")
_TITLES = (f"{_DC}title", f"{_PHOTOSHOP}Headline")
_DATA_MINING = f"{_PLUS}DataMining"
_MINING_NAME = b"DataMining"
_PROVENANCE = f"{_DCT}provenance"

_IPTC_COPYRIGHT, _IPTC_BYLINE, _IPTC_CREDIT, _IPTC_TITLE = (2, 116), (2, 80), (2, 110), (2, 5)

_Fields = dict[str, list[str]]


def read_picture(data: bytes, opened: ImageFile.ImageFile | None = None) -> Statement:
    """Statement of a file's metadata; empty if it states nothing, or the file is no readable picture.

    opened: the picture, if its header is parsed already.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata and large pictures; no pixel is decoded here
        try:
            with opened or Image.open(io.BytesIO(data)) as picture:
                packet = _xmp_packet(picture)
                xmp = {} if packet is None or len(packet) > MAX_XMP_BYTES else read_xmp(packet)
                preferences = _preferences(xmp, packet, data)
                iptc, exif = _iptc_of(picture), _exif_of(picture)
                if not (xmp or iptc or exif or preferences):
                    return Statement()
                return _statement(xmp, iptc, exif, preferences)
        # A hostile file may raise anything in Pillow.
        except Exception:
            return _stating(_unreadable()) if _MINING_NAME in data else Statement()


def _stating(preferences: list[Preference]) -> Statement:
    return Statement(opt_out=opt_outs.joined(*texts_of(preferences)), preferences=tuple(preferences))


def _unreadable() -> list[Preference]:
    return [Preference(Signal.IPTC_DATA_MINING, Use.ANY, Answer.UNKNOWN, "not readable", "metadata of the file")]


def _preferences(xmp: _Fields, packet: bytes | None, data: bytes) -> list[Preference]:
    """Preferences in the XMP packet of the file `data`.

    An oversized packet, or one that names DataMining and cannot be parsed, is UNKNOWN. So is a C2PA manifest that lies
    elsewhere: the packet names its address, which is not requested.
    """
    preferences = opt_outs.data_mining_preferences(xmp.get(_DATA_MINING, []))
    if packet is not None and (len(packet) > MAX_XMP_BYTES or (not xmp and _MINING_NAME in packet)):
        preferences += _unreadable()
    if xmp.get(_PROVENANCE) and not c2pa_manifest.is_present(data):
        preferences.append(c2pa_manifest.unknown("it is at another address"))
    return preferences


def _statement(xmp: _Fields, iptc: _Fields, exif: _Fields, preferences: list[Preference]) -> Statement:
    signals = [LicenseMention(f"xmp {name}", text) for field, name in _LICENSES.items() for text in xmp.get(field, [])]
    notices = [LicenseMention(f"xmp {name}", text) for field, name in _NOTICES.items() for text in xmp.get(field, [])]
    notices += [LicenseMention("iptc copyright", text) for text in iptc.get("copyright", [])]
    notices += [LicenseMention("exif copyright", text) for text in exif.get("copyright", [])]
    conclusion = conclude([*signals, *(notice for notice in notices if notice.license is not None)])
    return Statement(
        license=conclusion.license,
        license_url=conclusion.license_url,
        method=f"file: {conclusion.method}" if conclusion.method else None,
        statement=conclusion.statement,
        creator=_first(xmp, _CREATORS) or _first(iptc, ("byline", "credit")) or _first(exif, ("artist",)),
        creator_url=next(
            (url for name in _CREATOR_ADDRESSES for text in xmp.get(name, []) if (url := address_of(text))), None
        ),
        title=_first(xmp, _TITLES) or _first(iptc, ("title",)),
        opt_out=opt_outs.joined(*texts_of(preferences)),
        preferences=tuple(preferences),
        contradiction=f"the file {conclusion.contradiction}" if conclusion.contradiction else None,
    )


def _first(fields: _Fields, names: tuple[str, ...]) -> str | None:
    return next((text for name in names for value in fields.get(name, []) if (text := cleaned(value))), None)


def _xmp_packet(picture: ImageFile.ImageFile) -> bytes | None:
    packet = picture.info.get("xmp")
    if packet is None and isinstance(picture, TiffImagePlugin.TiffImageFile):
        packet = picture.tag_v2.get(700)
    if isinstance(packet, str):
        packet = packet.encode("utf-8")
    return packet if isinstance(packet, bytes) else None


def read_xmp(packet: bytes) -> _Fields:
    """Property → texts of an XMP packet; empty for a malformed packet.

    Packets with a document type or entities are refused, and no address is followed.
    """
    if b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return {}
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True)
    try:
        root = etree.fromstring(packet.strip(b"\x00 \r\n\t"), parser=parser)
    except (etree.XMLSyntaxError, ValueError):
        return {}
    fields: _Fields = {}
    for description in root.iter(f"{_RDF}Description") if root is not None else ():
        for name, text in _properties(description):
            values = fields.setdefault(name, [])
            if len(values) < MAX_VALUES:
                values.append(text)
    return fields


def _properties(description: Any) -> Iterator[tuple[str, str]]:
    """Yield (property, text): from attributes, elements with text or rdf:resource, and items of Alt, Bag and Seq."""
    yield from description.attrib.items()
    for element in description.iterchildren(etree.Element):
        if resource := element.get(f"{_RDF}resource"):
            yield element.tag, resource
        items = [item.text for item in element.iter(f"{_RDF}li") if item.text][:MAX_VALUES]
        for text in items or [element.text or ""]:
            if text.strip():
                yield element.tag, text.strip()


def _iptc_of(picture: ImageFile.ImageFile) -> _Fields:
    info = IptcImagePlugin.getiptcinfo(picture) or {}
    named = {"copyright": _IPTC_COPYRIGHT, "byline": _IPTC_BYLINE, "credit": _IPTC_CREDIT, "title": _IPTC_TITLE}
    return {name: _decoded(info[key]) for name, key in named.items() if key in info}


def _exif_of(picture: ImageFile.ImageFile) -> _Fields:
    exif = picture.getexif()
    named = {"copyright": ExifTags.Base.Copyright, "artist": ExifTags.Base.Artist}
    return {name: _decoded(exif[tag]) for name, tag in named.items() if tag in exif}


def _decoded(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    texts = [_text(item) if isinstance(item, bytes) else str(item) for item in values[:MAX_VALUES]]
    # EXIF has the photographer's and the editor's notices in one field, with a zero byte between them.
    return [part.strip() for text in texts for part in text.split("\x00") if part.strip()]


def _text(data: bytes) -> str:
    """Text of an IPTC record, which seldom names its encoding: UTF-8 if valid, else Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
