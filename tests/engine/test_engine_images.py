"""Which images of an attempt are written down, and under which names."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass

import msgspec

from harness.engine.boxes import noted
from harness.records.outcome import Attempt


@dataclass
class FakeBox:
    """All that is asked of a box here."""

    image_digest: str


def test_a_second_image_for_the_same_has_a_number() -> None:
    async def whole() -> dict[str, str]:
        images: dict[str, str] = {}
        for digest in ("sha256:a", "sha256:b", "sha256:a", "sha256:b"):
            async with noted(nullcontext(FakeBox(digest)), "grading", images):  # type: ignore[arg-type]
                pass
        return images

    assert asyncio.run(whole()) == {"grading": "sha256:a", "grading 2": "sha256:b"}


def test_records_from_before_have_no_images_and_are_read() -> None:
    old = msgspec.json.decode(b'{"task":"t","system":"s","epoch":1,"attempt":1,"status":"graded"}', type=Attempt)
    assert old.images == {} and b"images" not in msgspec.json.encode(old)
