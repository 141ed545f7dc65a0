#!/usr/bin/env python3
"""Make the pictures of docs/images anew, from what the commands really say.

    scripts/doc_pictures.py                 all: needs a container engine (suite mine has boxes) and Chromium
    scripts/doc_pictures.py trend           only these: trend, nightly, report
    scripts/doc_pictures.py --out DIR       into another folder

Each PNG holds, as its `Description`, the words that it shows: by these tests/docs/test_pictures.py finds a picture
that the code has left behind. `CHROMIUM` names the browser where it is not found.
"""

from __future__ import annotations

import argparse
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops, PngImagePlugin

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from harness.testing.simulate import Conduct, Missing, Night, World, simulate_run  # noqa: E402

NIGHTS, LOST_FROM, HOLLOW = 45, 33, 29
"""Nights of the trend's picture; from one on ten points are lost, and one is no measurement."""
TREND = ("trend", "--suite", "mine", "--now", "2026-02-14T12:00Z")
NIGHTLY = ("nightly", "--suite", "mine", "--quiet")
REPORT_HEIGHT = 1250
"""Of the report only the head and the first figures are shown."""
_COLOURS = {"ok": "#7ee2a8", "not measured": "#f2c063", "invalid": "#f2c063", "failed": "#f58a8a"}
_PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #0f1720; color: #d7dde5; }}
pre {{ margin: 0; padding: 14px 20px; font: 15px/19px "DejaVu Sans Mono", monospace; }}
b {{ color: #8ab4f8; }}
</style><pre><b>$ {command}</b>
{text}</pre>"""


def main() -> int:
    """Make them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="trend, nightly, report (default: all)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", metavar="DIR")
    args = parser.parse_args()
    wanted = args.pictures or ["trend", "nightly", "report"]
    if strange := set(wanted) - {"trend", "nightly", "report"}:
        parser.error(f"no such picture: {', '.join(sorted(strange))}")
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if "trend" in wanted:
            trend_picture(Path(folder) / "trend", args.out / "trend.png")
        if "nightly" in wanted or "report" in wanted:
            night_pictures(Path(folder) / "mine", args.out, wanted)
    return 0


def harness(place: Path, *words: str) -> str:
    """What a command prints. Raises when it ends with a code that tells of no verdict."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *words], cwd=place, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"harness {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def drifting_nights(place: Path) -> None:
    """A workspace of simulated nights: ten points are lost from one night on."""
    (place / "tasks" / "mine").mkdir(parents=True)
    world = World(tasks=100, mean=0.84, seed=4, suite="mine")
    for number in range(NIGHTS):
        conduct = Conduct(delta=-0.1 if number >= LOST_FROM else 0.0, refuses=0.1, harness="bash_agent")
        missing = Missing(outage=0.3) if number == HOLLOW else Missing()
        night = Night(seed=number, night_sd=0.1, missing=missing)
        simulate_run(place / "runs", world, night, {"opus-bash": conduct}, number)


def trend_words(place: Path, *more: str) -> str:
    """What `harness trend` says of these nights."""
    drifting_nights(place)
    return harness(place, *TREND, *more)


def trend_picture(place: Path, to: Path) -> None:
    """The chart as the command draws it."""
    words = trend_words(place, "--figure", str(place / "trend.png"))
    described(place / "trend.png", words, to)


def night_words(place: Path) -> str:
    """What `harness nightly` says of the suite mine in a fresh clone."""
    for name in ("tasks", "graders", "runs/baselines"):
        shutil.copytree(ROOT / name, place / name)
    return harness(place, *NIGHTLY)


def night_pictures(place: Path, out: Path, wanted: list[str]) -> None:
    """The steps of a night of the suite mine, and the report of its run."""
    words = night_words(place)
    if "nightly" in wanted:
        page = _PAGE.format(command=" ".join(("harness", *NIGHTLY)), text=_coloured(words))
        shot(page, 1000, 700, place / "nightly.png")
        described(place / "nightly.png", words, out / "nightly.png")
    if "report" in wanted:
        page = harness(place, "report", "--format", "html", "--section", "calibration", "--out", "report.html")
        head = harness(place, "report", "--section", "calibration")
        shot((place / "report.html").read_text(), 1200, REPORT_HEIGHT, place / "report.png")
        described(place / "report.png", head, out / "report.png")


def _coloured(words: str) -> str:
    """The states of a night's steps in colour."""
    text = html.escape(words)
    states = "|".join(sorted(_COLOURS, key=len, reverse=True))
    return re.sub(
        rf"(?m)(?<=  )({states})(?=  )|(?<=: )(ok|failed|invalid)(?= \(exit)",
        lambda m: f'<span style="color:{_COLOURS[m[0]]}">{m[0]}</span>',
        text,
    )


def shot(page: str, width: int, height: int, to: Path) -> None:
    """The page as Chromium shows it, without the empty space at its right and below it."""
    source = to.with_suffix(".html")
    source.write_text(page, encoding="utf-8")
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"]
    size = f"--window-size={width},{height}"
    done = subprocess.run(
        [browser(), *words, size, f"--screenshot={to}", source.as_uri()], capture_output=True, text=True, timeout=120
    )
    if not to.is_file():
        raise SystemExit(f"no picture was made:\n{done.stderr}")
    with Image.open(to) as image:
        flat = image.convert("RGB")
    empty = Image.new("RGB", flat.size, flat.getpixel((width - 1, height - 1)))
    box = ImageChops.difference(flat, empty).getbbox() or (0, 0, width, height)
    flat.crop((0, 0, min(width, box[2] + 20), min(height, box[3] + 14))).save(to)


def browser() -> str:
    """The browser's path."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("no Chromium here: install it, or name it in CHROMIUM")
    return found


def described(picture: Path, words: str, to: Path) -> None:
    """Write the picture with the words it shows; few colours, so that the tree stays small."""
    about = PngImagePlugin.PngInfo()
    about.add_itxt("Description", words)
    with Image.open(picture) as image:
        image.convert("RGB").quantize(255, dither=Image.Dither.NONE).save(to, optimize=True, pnginfo=about)
    print(f"wrote {to}")


if __name__ == "__main__":
    sys.exit(main())
