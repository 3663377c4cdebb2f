"""Where credentials may come from: environment, a file that only its owner can read, an argument.

`find` looks for each credential of a venue in this order: the caller's argument, then
`PAYLOADS_<VENUE>_<NAME>` in the environment, then `[venue] name = "…"` in a TOML file. They come
out as `Secret`, whose `repr` hides them. The command line takes no credential as an argument,
because any user of the machine can list the arguments.

Every error is `Misuse`, and no message shows a credential.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from payloads.errors import Misuse
from payloads.venues.common.redactor import Secret
from payloads.venues.common.venue import variable

# A private key in PEM is three thousand bytes; this is a file of many.
_MAX_FILE_BYTES = 64 * 1024


def from_environment(name: str, environ: Mapping[str, str] | None = None) -> Secret:
    """The credential in an environment variable."""
    value = (os.environ if environ is None else environ).get(name, "").strip()
    if not value:
        raise Misuse("not set", field=name, expected="a credential in the environment")
    return Secret(value)


def from_file(path: str | os.PathLike[str]) -> Secret:
    """The content of a file as a credential, without white space around it."""
    value = _read(Path(path)).strip()
    if not value:
        raise Misuse("is empty", field=str(path), expected="a credential")
    return Secret(value)


def find(
    venue: str,
    names: Iterable[str],
    *,
    given: Mapping[str, Secret] | None = None,
    environ: Mapping[str, str] | None = None,
    file: str | os.PathLike[str] | None = None,
) -> dict[str, Secret]:
    """The credentials of a venue that can be found. The venue knows which of them it needs."""
    environ = os.environ if environ is None else environ
    from_table = _table(Path(file), venue) if file is not None else {}
    found: dict[str, Secret] = {}
    for name in names:
        if given and name in given:
            found[name] = given[name]
        elif environ.get(variable(venue, name), "").strip():
            found[name] = from_environment(variable(venue, name), environ)
        elif name in from_table:
            found[name] = from_table[name]
    return found


def _table(path: Path, venue: str) -> dict[str, Secret]:
    try:
        table: Any = tomllib.loads(_read(path)).get(venue, {})
    except tomllib.TOMLDecodeError as error:
        # The position only: the line itself may hold a credential.
        place = f"{error}".rpartition("(")[2].rstrip(")")
        raise Misuse("is not TOML", field=str(path), found=f"an error {place}") from None
    if not isinstance(table, dict) or not all(
        isinstance(value, str) and value for value in table.values()
    ):
        expected = f'[{venue}] with name = "value" lines'
        raise Misuse("no table of credentials", field=str(path), expected=expected)
    return {name: Secret(value) for name, value in table.items()}


def _read(path: Path) -> str:
    """The text of a file that only its owner can read."""
    try:
        # Opened before it is checked, so that the same file is checked and read.
        with path.open("rb") as stream:
            _check(os.fstat(stream.fileno()), path)
            raw = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Misuse(f"cannot be read: {error.strerror}", field=str(path)) from None
    if len(raw) > _MAX_FILE_BYTES:
        limit = f"at most {_MAX_FILE_BYTES} bytes"
        raise Misuse("too large for credentials", field=str(path), expected=limit)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Misuse("is not UTF-8 text", field=str(path), expected="credentials") from None


def _check(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Misuse("is not a regular file", field=str(path), expected="a file of credentials")
    if os.name != "posix":
        return  # elsewhere the mode says nothing about who may read
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise Misuse(
            "holds credentials and can be read by others", field=str(path),
            expected=f"mode 0600 (chmod 600 {path})", found=f"mode {mode:04o}",
        )  # fmt: skip
    if status.st_uid not in (os.geteuid(), 0):
        raise Misuse(
            "holds credentials and belongs to another user", field=str(path),
            expected=f"owner {os.geteuid()}", found=f"owner {status.st_uid}",
        )  # fmt: skip
