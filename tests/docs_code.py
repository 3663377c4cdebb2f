"""The Python code of the README and of the pages in docs/, as modules that a type checker can read.

python -m tests.docs_code FOLDER      # one module a page; mypy --strict goes over FOLDER
"""

from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = r"^```{language}\n(.*?)^```"


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    pattern = _BLOCK.format(language=language)
    return re.findall(pattern, page.read_text(encoding="utf-8"), re.M | re.S)


def module_of(page: Path) -> str:
    """The statements of a page in their order, without what they print."""
    parser = doctest.DocTestParser()
    statements: list[str] = []
    for block in blocks(page, "python"):
        examples = parser.get_examples(block)
        statements += [example.source for example in examples] or [block]
    return "".join(statements)


def write(folder: Path) -> list[Path]:
    """A module for each page that has code; those of an earlier run are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    written = []
    for page in PAGES:
        if code := module_of(page):
            path = folder / f"{page.stem.lower().replace('-', '_')}_page.py"
            path.write_text(code, encoding="utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    print(*write(Path(sys.argv[1])), sep="\n")
