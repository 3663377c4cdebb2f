"""`report.html`: one file with all that a scan found, which opens without a network.

The page is made of the texts in `page_files`, the figures and bins of the scan, and the script of
Vega, taken from the installed package `vl-convert-python` (extra `page`). The page's policy
(Content-Security-Policy) allows exactly these scripts and this style, and no request at all. Data
is JSON that nothing executes; the page's script puts it into text nodes only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from payloads.errors import not_installed
from payloads.forensics.showing.bins import page_data
from payloads.forensics.showing.folder import Folder

FILES = Path(__file__).parent / "page_files"
# The page without its data.
MOST_BYTES = 3 * 10**6


def write_page(folder: Folder, target: str | Path) -> Path:
    """Write the page of a scan. An older page is replaced when the new page is whole."""
    target = Path(target)
    text = page(page_data(folder))
    part = target.with_name(f"{target.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def page(data: dict[str, Any]) -> str:
    """The page as text."""
    style, script = _file("page.css"), _file("page.js")
    library = chart_library()
    scripts = " ".join(map(_hash, (library, script)))
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "style": style,
        "data": _inert(data),
        "library": library,
        "script": script,
    }
    text = _file("page.html")
    head, *rest = text.split("{{")
    return head + "".join(parts[name] + after for name, _, after in _split(rest))


def _split(pieces: list[str]) -> list[tuple[str, str, str]]:
    return [piece.partition("}}") for piece in pieces]


@cache
def chart_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. Of its names it shows `vegaEmbed` alone."""
    try:
        import vl_convert
    except ImportError:
        raise not_installed("vl-convert-python", "page") from None
    # `</script` would end the script and `<!--` would change how it is read. In JavaScript, both
    # stand in strings and patterns only, where a backslash changes nothing.
    text = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    text = text.replace("</script", r"<\/script").replace("<!--", r"<\!--")
    return f"(function(){{{text}}})();"


def _inert(data: dict[str, Any]) -> str:
    """JSON in which no HTML can begin or end, and no line that JavaScript does not know."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _file(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")
