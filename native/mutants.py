"""Ten lines of the field broken, one at a time: the tests must notice each.

`python native/mutants.py` works on a copy of this folder and takes some minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
FILES = ("field.rs", "limbs.rs")

# What stands in the field's files, and what it is replaced with.
MUTANTS = [
    ("const FOLD_256: u64 = 0x10_0000_3D1;", "const FOLD_256: u64 = 0x10_0000_3D2;"),
    ("2 * P[4]]", "P[4]]"),
    ("for j in i + 1..5 {", "for j in i + 1..4 {"),
    ("let top = e.shr::<48>();", "let top = e.shr::<49>();"),
    ("d = d.add(c.shr::<52>());", "d = d.add(c.shr::<53>());"),
    ("if k < 4 {", "if k < 3 {"),
    ("let top = low[4].shr::<48>().add(low[5].shl::<4>());", "let top = low[4].shr::<48>();"),
    ("low[1].mad_high(top, fold),", "low[1],"),
    ("[a.and(mask), b.and(mask),", "[a.and(mask), b,"),
    ("4 => low[k].shl::<2>(),", "4 => low[k].shl::<3>(),"),
]


def survives(folder: Path, before: str, after: str) -> bool:
    texts = {name: (HERE / "src" / name).read_text(encoding="utf-8") for name in FILES}
    found = [name for name, text in texts.items() if before in text]
    if len(found) != 1 or texts[found[0]].count(before) != 1:
        raise SystemExit(f"{' and '.join(FILES)} must have this once: {before}")
    (name,) = found
    broken = folder / "src" / name
    broken.write_text(texts[name].replace(before, after), encoding="utf-8")
    command = ["cargo", "test", "--release", "--quiet", "--test", "field"]
    # Compiling takes longer than running.
    environment = os.environ | {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if "could not compile" in done.stderr:
        raise SystemExit(f"does not compile: {after}")
    broken.write_text(texts[name], encoding="utf-8")
    return done.returncode == 0


def main() -> int:
    survivors = 0
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "native"
        shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("target"))
        for before, after in MUTANTS:
            lived = survives(folder, before, after)
            survivors += lived
            print(f"{'SURVIVED' if lived else 'noticed'}: {before} -> {after}", flush=True)
    print(f"{len(MUTANTS) - survivors} of {len(MUTANTS)} noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
