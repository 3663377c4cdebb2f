"""The Python code of the README, of the pages in docs/ and of docstrings, for a type checker.

python -m tests.docs_code FOLDER      # a module a page and a snippet, in FOLDER/pages and
                                      # FOLDER/docstrings; mypy --strict goes over both
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import doctest
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from payloads.errors import Misuse

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "fixtures" / "conformance" / "README.md",
]
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
    modules = {"_".join(_parts(page)): module_of(page) for page in PAGES}
    return _write(folder, {f"{name}_page": code for name, code in modules.items() if code})


def _parts(page: Path) -> tuple[str, ...]:
    return page.relative_to(ROOT).with_suffix("").parts


def _write(folder: Path, modules: dict[str, str]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    written = []
    for name, code in modules.items():
        path = folder / f"{name.lower().replace('-', '_')}.py"
        path.write_text(code, encoding="utf-8")
        written.append(path)
    return written


# --- docstrings -----------------------------------------------------------------------------------

# Names that a docstring's code uses without saying where they come from.
FREE = {
    "account", "calldata", "header", "items", "payload", "proxy", "records", "report", "session",
    "state", "submission", "today", "transaction", "w3", "yesterday",
}  # fmt: skip
# Where to look for the other names, behind the module itself.
_HOMES = (
    "typing", "decimal", "hexbytes", "payloads.abi.units", "payloads.abi.fields",
    "payloads.chainlink.schemas", "payloads.live", "payloads.chain", "payloads.venues.qfex",
    "payloads.simulators", "payloads.simulators.venues.chainlink",
)  # fmt: skip
_INDENTED = re.compile(r"(?:^(?:    .*|[ ]*)\n)*^    .*$", re.M)


def snippets(source: Path) -> Iterator[ast.Module]:
    """The Python code in the docstrings of a module; drawings and tables are none."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for block in _INDENTED.findall(ast.get_docstring(node) or ""):
                if _is_json(block):
                    continue
                with contextlib.suppress(SyntaxError):
                    yield ast.parse(textwrap.dedent(block).replace("=…", "=0"))


def _is_json(block: str) -> bool:
    try:
        json.loads(block)
    except ValueError:
        return False
    return True


def module_of_snippet(source: Path, code: ast.Module) -> str:
    """A snippet as a module: it sees the module that it documents, and the names in `FREE`."""
    dotted = ".".join(source.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    imports = ["from typing import Any"]
    for name in _missing_names(code):
        if name in FREE:
            imports.append(f"{name}: Any")
        elif name in _parts(source)[:-1]:
            package = dotted.split(f".{name}")[0]
            imports.append(
                "import payloads" if name == "payloads" else f"from {package} import {name}"
            )
        elif source.stem == name and not _has(dotted, name):
            imports.append(f"from {dotted.rpartition('.')[0]} import {name}")
        else:
            homes = [home for home in (dotted, *_HOMES) if _has(home, name)]
            assert homes, f"{dotted}: where is {name}?"
            imports.append(f"from {homes[0]} import {name}")
    body = textwrap.indent(ast.unparse(code), "    ")
    return "\n".join([*imports, "", "async def documented() -> None:", body, ""])


def _has(module: str, name: str) -> bool:
    """Whether a module has a name: by its text where an extra that it needs is not installed."""
    try:
        return hasattr(import_module(module), name)
    except (ImportError, Misuse):
        text = ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
        return re.search(rf"^(?:class|def) {name}\b", text, re.M) is not None


def _missing_names(code: ast.Module) -> list[str]:
    """The names that a snippet uses and does not bind."""
    bound = set(vars(builtins))
    used: dict[str, None] = {}
    for node in ast.walk(code):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.Name):
            used[node.id] = None
    return [name for name in used if name not in bound]


def write_snippets(folder: Path) -> list[Path]:
    """A module for each snippet of a docstring."""
    modules: dict[str, str] = {}
    for source in sorted((ROOT / "payloads").rglob("*.py")):
        for code in snippets(source):
            name = "_".join(source.relative_to(ROOT).with_suffix("").parts)
            modules[f"{name}_{len(modules)}"] = module_of_snippet(source, code)
    return _write(folder, modules)


if __name__ == "__main__":
    print(*write(Path(sys.argv[1]) / "pages"), *write_snippets(Path(sys.argv[1]) / "docstrings"))
