"""`python -m benchmarks.scan`: a scan of captures against a straightforward script.

The script reads the lines with `json`, decodes with `eth_abi` (Chainlink) or `struct` (Stork),
finds signers with `coincurve` where that is asked, and writes a row of CSV a price. The scan writes
all of its tables, and hashes its input. Both are measured in one run, in rounds that take turns. A
figure is the least processor time of its rounds, on one core.

That is done with payloads-simd, where it is installed, and without it. Then comes the peak of
memory, for an input and for one a hundred times as large.
"""

from __future__ import annotations

import csv
import json
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks import cores, page
from benchmarks.columns import SIGNER, reports, state
from benchmarks.runners.python_rivals import BODY, OUTER
from payloads import State, columns, forensics, stork
from payloads.capture.format import frame_line, header_line
from payloads.capture.frames import Frame
from payloads.crypto import recover, recover_many_by

ROUNDS = 4
Row = tuple[str, list[str]]
_BEGAN = 1_700_000_000 * 10**9


def capture(path: Path, venue: str, messages: list[dict[str, Any]], count: int) -> Path:
    """A capture of so many frames, of these messages by turns."""
    texts = [json.dumps(message, separators=(",", ":")) for message in messages]
    with path.open("wb") as stream:
        stream.write(header_line(venue, {}) + b"\n")
        for number in range(count):
            text = texts[number % len(texts)]
            frame = Frame(venue, 1, "in", "text", _BEGAN + 10**9 * number, text)
            stream.write(frame_line(frame, text, False) + b"\n")
    return path


def chainlink(path: Path, count: int) -> Path:
    """Reports of schema 3 with six signatures, as Data Streams sends them."""
    found = []
    for raw in reports(1_000):
        feed, valid, observed = raw[256:288], raw[288:320], raw[320:352]
        report = {
            "feedID": "0x" + feed.hex(), "fullReport": "0x" + raw.hex(),
            "validFromTimestamp": int.from_bytes(valid, "big"),
            "observationsTimestamp": int.from_bytes(observed, "big"),
        }  # fmt: skip
        found.append({"report": report})
    return capture(path, "chainlink", found, count)


def stork_updates(path: Path, count: int, assets: int) -> Path:
    """Updates of so many assets."""
    found = []
    for at in range(1_000):
        values = [stork.Asset(index + 1, 10**18 + at) for index in range(assets)]
        raw = SIGNER.sign(values, timestamp_ns=_BEGAN + at * 10**9).encode()
        found.append({"type": "signed_ecdsa", "p": "0x" + raw.hex()})
    return capture(path, "stork", found, count)


# --- the script -----------------------------------------------------------------------------------


def messages(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open() as stream:
        for line in stream:
            record = json.loads(line)
            if "text" in record:
                yield record["at"], json.loads(record["text"])


def script_chainlink(path: Path, out: Path, recovers: bool) -> None:
    decode = import_module("eth_abi").decode
    with out.open("w", newline="") as stream:
        rows = csv.writer(stream)
        for at, message in messages(path):
            raw = bytes.fromhex(message["report"]["fullReport"][2:])
            context, blob, rs, ss, raw_vs = decode(OUTER, raw)
            report = decode(BODY, blob)
            signers = chainlink_signers(context, blob, rs, ss, raw_vs) if recovers else []
            for name, value in zip(("price", "bid", "ask"), report[6:], strict=True):
                rows.writerow((at, report[0].hex(), name, value, report[2], *signers))


def chainlink_signers(context: Any, blob: bytes, rs: Any, ss: Any, raw_vs: bytes) -> list[str]:
    keccak = import_module("eth_utils").keccak
    public_key = import_module("coincurve").PublicKey
    digest = keccak(keccak(blob) + b"".join(context))
    found = []
    for r, s, v in zip(rs, ss, raw_vs, strict=False):
        key = public_key.from_signature_and_message(r + s + bytes([v]), digest, hasher=None)
        found.append(keccak(key.format(compressed=False)[1:])[12:].hex())
    return found


_UPDATE = struct.Struct(">32s32sBHQ")
_ASSET = struct.Struct(">Hqq")


def script_stork(path: Path, out: Path, recovers: bool) -> None:
    keccak = import_module("eth_utils").keccak
    public_key = import_module("coincurve").PublicKey
    with out.open("w", newline="") as stream:
        rows = csv.writer(stream)
        for at, message in messages(path):
            raw = bytes.fromhex(message["p"][2:])
            r, s, v, taxonomy, observed = _UPDATE.unpack_from(raw)
            signer = ""
            if recovers:
                digest = keccak(raw[65:])
                key = public_key.from_signature_and_message(r + s + bytes([v]), digest, hasher=None)
                signer = keccak(key.format(compressed=False)[1:])[12:].hex()
            for asset, high, low in _ASSET.iter_unpack(raw[75:]):
                rows.writerow((at, taxonomy, asset, high << 64 | low % 2**64, observed, signer))


# --- the scan -------------------------------------------------------------------------------------


def scan(path: Path, folder: Path, states: Any) -> None:
    out = Path(tempfile.mkdtemp(dir=folder))
    forensics.scan(path, out=out, state=states, recovers=states is not None, jobs=1)


def row(what: str, count: int, first: Callable[[], None], second: Callable[[], None]) -> Row:
    best = [float("inf")] * 2
    for _ in range(ROUNDS):
        for index, work in enumerate((first, second)):
            begun = process_time()
            work()
            best[index] = min(best[index], (process_time() - begun) * 1e6 / count)
    return what, [f"{best[0]:.1f}", f"{best[1]:.1f}", f"{best[0] / best[1]:.1f}"]


def recoveries(path: Path) -> float:
    """The least µs a frame of the recoveries alone, one after the other by libsecp256k1."""
    batch = columns.recover([bytes.fromhex(raw[2:]) for raw in payloads_in(path)], workers=1)
    words = [batch[name].to_pylist() for name in ("digest", "r", "s", "v")]
    frames = len(set(batch["row"].to_pylist()))
    best = float("inf")
    for _ in range(ROUNDS):
        begun = process_time()
        for digest, r, s, v in zip(*words, strict=True):
            recover(digest, r, s, v % 27)
        best = min(best, process_time() - begun)
    return best * 1e6 / frames


def payloads_in(path: Path, most: int = 500) -> Iterator[str]:
    for _, (_, message) in zip(range(most), messages(path), strict=False):
        yield message["p"] if "p" in message else message["report"]["fullReport"]


def on_two_cores(path: Path, folder: Path) -> str:
    """One process against two."""

    def work(jobs: int) -> None:
        out = Path(tempfile.mkdtemp(dir=folder))
        forensics.scan(path, out=out, jobs=jobs, part_bytes=2**20)

    return cores.gain(partial(work, 1), partial(work, 2)).said


def peak(path: Path, folder: Path) -> int:
    """The megabytes that a process has at most while it scans."""
    code = (
        "import sys; from payloads import forensics; "
        "forensics.scan(sys.argv[1], out=sys.argv[2], jobs=1, recovers=False); "
        "print(next(l for l in open('/proc/self/status') if l.startswith('VmHWM')).split()[1])"
    )
    out = tempfile.mkdtemp(dir=folder)
    command = [sys.executable, "-c", code, str(path), out]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shutil.rmtree(out)
    return int(done.stdout) // 1024


def memory(folder: Path) -> str:
    """Peaks at a whole part, and at a hundred times that. Files that are so large take a minute."""
    found = []
    one = chainlink(folder / "one.jsonl", 14_500).read_bytes()
    head, frames = one[: one.index(b"\n") + 1], one[one.index(b"\n") + 1 :]
    for times in (1, 100):
        path = folder / "times.jsonl"
        with path.open("wb") as stream:
            stream.write(head)
            for _ in range(times):
                stream.write(frames)
        found.append(f"{peak(path, folder)} MB for {path.stat().st_size / 1e6:,.0f} MB")
        path.unlink()
    return "peak memory: " + ", ".join(found)


def measure(count: int, to: str) -> None:
    """The rows, and the gain of a second process, by what this process can import."""
    trusted = State.from_dict({"contract": "stork-fast-1.0.0", "signer": SIGNER.address, "now": 1})
    few, rows = max(1_000, count // 5), []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        csv_file = folder / "script.csv"
        forensics.scan(stork_updates(folder / "warm", 100, 1), out=folder / "warmed", jobs=1)
        # About as many bytes of each.
        for what, make, script, states, times in (
            ("Chainlink", chainlink, script_chainlink, state(), 1),
            ("Stork, 1 asset", partial(stork_updates, assets=1), script_stork, trusted, 4),
            ("Stork, 20 assets", partial(stork_updates, assets=20), script_stork, trusted, 2),
        ):
            many, some = folder / f"{what}.jsonl", folder / f"{what} few.jsonl"
            total = count * times
            make(many, total)
            make(some, few)
            rows.append(row(what, total, partial(script, many, csv_file, False),
                            partial(scan, many, folder, None)))  # fmt: skip
            rows.append(row(f"{what}, verified", few, partial(script, some, csv_file, True),
                            partial(scan, some, folder, states)))  # fmt: skip
            alone = f"{recoveries(some):.1f}"
            rows.append((f"{what}, the recoveries alone", ["", alone, ""]))
        gained = on_two_cores(folder / "Chainlink few.jsonl", folder)
    Path(to).write_text(json.dumps([rows, recover_many_by(), gained]), encoding="utf-8")


def table(found: list[Any], count: int, peaks: str, run: page.Run) -> page.Table:
    """Of each way, beside each other: the script and the scan, and how many times as fast it is."""
    head, notes = [f"a scan of {count:,} frames, µs of a core a frame"], [peaks]
    cells: dict[str, list[str]] = {}
    for rows, by, gained in found:
        head += [f"a script ({by})", "the scan", "times as fast"]
        for what, values in rows:
            cells.setdefault(what, []).extend(values)
        notes.append(f"{by}: two processes, times as fast as one: {gained}")
    how = run.how(f"the least of {ROUNDS} interleaved rounds, in processor time")
    return page.Table(head, [[what, *values] for what, values in cells.items()], how, notes)


def measured(count: int) -> page.Table:
    # Each way in a process of its own: what was imported once stays.
    ways = ["sys.modules['payloads_simd'] = None"]
    if find_spec("payloads_simd") is not None:
        ways.insert(0, "pass")
    run, found = page.Run(), []
    with tempfile.TemporaryDirectory() as scratch:
        for way in ways:
            to = Path(scratch) / "found.json"
            call = f"measure({count}, {str(to)!r})"
            code = f"import sys; {way}; from benchmarks.scan import measure; {call}"
            subprocess.run([sys.executable, "-c", code], check=True)
            found.append(json.loads(to.read_text(encoding="utf-8")))
        peaks = memory(Path(scratch))
    return table(found, count, peaks, run)


def main() -> None:
    parser = page.parser("scan", __doc__)
    parser.add_argument("count", type=int, nargs="?", default=40_000, help="%(default)s frames")
    options = parser.parse_args()
    page.finish({"scan": measured(options.count)}, options.save)


if __name__ == "__main__":
    main()
