"""Write the golden reports anew: `python tests/golden/regenerate.py`. Read the difference before you commit it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cases import CASES, GOLDEN, drawn

if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.iterdir():
        old.unlink()
    for name, make in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            for ending, text in drawn(make(Path(folder))).items():
                (GOLDEN / f"{name}.{ending}").write_text(text, encoding="utf-8")
    print(f"{len(list(GOLDEN.iterdir()))} files in {GOLDEN}")
