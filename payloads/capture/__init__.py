"""Captures: frames in files, and frames out of them.

    with CaptureWriter("stork.jsonl.zst", venue="stork") as writer:
        connect(session, recorder=writer)
    read_records("stork.jsonl.zst")       # its header, frames and incidents, in order
    import_records("session.har")         # the same from a file of another kind, with places
    rerun(session_of(header), records)    # the deliveries of a session that is given them

A `Frame` is the same type live and out of a file. The format is described in docs/captures.md. Each
name is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from payloads._late import late

if TYPE_CHECKING:
    from payloads.capture.compression import Torn
    from payloads.capture.format import BrokenLine, Header
    from payloads.capture.frames import Frame, Incident
    from payloads.capture.importers.any_file import import_frames, import_records
    from payloads.capture.parts import part_paths
    from payloads.capture.reader import read_frames, read_records
    from payloads.capture.replay import paced, rerun, session_of
    from payloads.capture.writer import CaptureWriter, Summary

__all__ = [
    "BrokenLine", "CaptureWriter", "Frame", "Header", "Incident", "Summary", "Torn",
    "import_frames", "import_records", "paced", "part_paths", "read_frames", "read_records",
    "rerun", "session_of",
]  # fmt: skip

_MODULES = {
    "BrokenLine": "format", "CaptureWriter": "writer", "Frame": "frames", "Header": "format",
    "Incident": "frames", "Summary": "writer", "Torn": "compression",
    "import_frames": "importers.any_file", "import_records": "importers.any_file",
    "paced": "replay", "part_paths": "parts", "read_frames": "reader", "read_records": "reader",
    "rerun": "replay", "session_of": "replay",
}  # fmt: skip

__getattr__, __dir__ = late(__name__, _MODULES)
