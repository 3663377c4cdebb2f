"""State files: read with the file's name in every error, and written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from payloads.errors import Misuse
from payloads.inputs import to_path
from payloads.verdicts.state import State


def load_state(path: str | Path) -> State:
    """The state in a file; anything wrong with it is misuse that names the file."""
    try:
        return State.load(path)
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    except Misuse as error:
        field = str(path) if error.field in (None, str(path)) else f"{path}: {error.field}"
        raise Misuse(
            error.reason, field=field, expected=error.expected, found=error.found
        ) from None


def write_text(text: str, path: str | Path) -> None:
    """Write a file; never half of it."""
    target = to_path(path)
    handle, scratch = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        os.chmod(scratch, 0o644)
        os.replace(scratch, target)
    except BaseException:
        os.unlink(scratch)
        raise
