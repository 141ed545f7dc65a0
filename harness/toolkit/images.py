"""What an image is, by its first bytes: kind and size in pixels. Nothing is decoded, so nothing can be exploited."""

from __future__ import annotations

import struct

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""JPEG markers that hold the size of a frame (ITU T.81, table B.1)."""


def described(data: bytes) -> str:
    """`PNG image, 640 x 480, 12,345 bytes`; without the size where the bytes do not tell it."""
    kind, size = _kind(data), dimensions(data)
    what = "PDF" if kind == "PDF" else f"{kind} image" if kind else "file"
    pixels = f"{size[0]:,} x {size[1]:,}, " if size else ""
    return f"{what}, {pixels}{len(data):,} bytes"


def dimensions(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, GIF, WebP or JPEG; None for anything else, and for damaged ones."""
    try:
        match _kind(data):
            case "PNG":
                return struct.unpack(">II", data[16:24]) if data[12:16] == b"IHDR" else None
            case "GIF":
                return struct.unpack("<HH", data[6:10])
            case "WebP":
                return _webp(data)
            case "JPEG":
                return _jpeg(data)
    except (struct.error, IndexError):
        return None
    return None


def _kind(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data.startswith(b"%PDF-"):
        return "PDF"
    return "JPEG" if data.startswith(b"\xff\xd8\xff") else ""


def _webp(data: bytes) -> tuple[int, int] | None:
    """The three forms of RFC 9649: lossy, lossless, extended."""
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack("<I", data[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            if len(data) < 30:
                return None
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """The first frame's size: segment after segment until one tells it."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] if marker != 0xFF else 1
    return None
