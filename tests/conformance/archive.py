"""Pack the corpus: `python -m tests.conformance.archive DIR`. The same bytes every time."""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from pathlib import Path

from payloads.conformance import Corpus, corpus


def packed(found: Corpus) -> bytes:
    """The files in a folder of their own, with no times, owners or machines in them."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(found.folder.iterdir()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"{_name(found)}/{path.name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(whole.getvalue(), 9, mtime=0)


def _name(found: Corpus) -> str:
    return f"payloads-conformance-{found.version}"


def main(folder: Path) -> Path:
    """Write the archive into a folder."""
    found = corpus()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_name(found)}.tar.gz"
    path.write_bytes(packed(found))
    return path


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
