"""An image's kind and size by its first bytes: equal to Pillow's for every form, and None for anything damaged."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.toolkit.images import described, dimensions

FORMS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}), ("GIF", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("WEBP", {"lossless": True}),
]  # fmt: skip


def made(form: str, size: tuple[int, int], mode: str = "RGB", **more: Any) -> bytes:
    out = BytesIO()
    Image.new(mode, size, 7).save(out, form, **more)
    return out.getvalue()


@pytest.mark.parametrize(("form", "more"), FORMS, ids=[f"{f}{'-'.join(m)}" for f, m in FORMS])
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (257, 1031)])
def test_the_size_is_pillows(form: str, more: dict[str, Any], size: tuple[int, int]) -> None:
    assert dimensions(made(form, size, **more)) == size


def test_webp_with_an_alpha_channel_and_metadata_is_the_extended_form() -> None:
    data = made("WEBP", (300, 200), "RGBA", exif=b"Exif\0\0", quality=80)
    assert data[12:16] == b"VP8X"
    assert dimensions(data) == (300, 200)


def test_metadata_before_the_frame_of_a_jpeg_is_passed_over() -> None:
    assert dimensions(made("JPEG", (90, 50), comment=b"x" * 60000, exif=b"Exif\0\0" + b"y" * 60000)) == (90, 50)


def test_it_is_told_in_words() -> None:
    data = made("PNG", (1640, 480))
    assert described(data) == f"PNG image, 1,640 x 480, {len(data):,} bytes"
    assert described(b"%PDF-1.7 ...") == "PDF, 12 bytes"
    assert described(b"hello") == "file, 5 bytes"


@given(st.binary(max_size=80), st.sampled_from(["PNG", "GIF", "JPEG", "WEBP"]), st.integers(0, 40))
def test_damaged_bytes_are_no_error(noise: bytes, form: str, kept: int) -> None:
    whole = made(form, (8, 8))
    described(whole[:kept] + noise)
