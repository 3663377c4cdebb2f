"""Calls of contract functions that take payloads: their calldata, both ways.

Reading does exactly what the contract's own argument decoder does. Building makes the calldata of
an honest caller. The payloads inside a call are bytes here, for each system's `decode` to read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from payloads.abi.annotate import Expander, View, lay_out, shift
from payloads.abi.fields import Record, Span, hexed
from payloads.abi.solidity import Argument, Departure, Part, decode_calldata, departures, encode
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.crypto import keccak256
from payloads.errors import Malformed, Misuse, shown
from payloads.inputs import to_bytes


class Function(Record, frozen=True):
    """A contract function; its signature is its name and argument types as Solidity hashes them."""

    name: str
    arguments: tuple[Argument, ...]
    selector: bytes

    @classmethod
    def of(cls, name: str, *arguments: Argument) -> Function:
        signature = f"{name}({','.join(argument.type for argument in arguments)})"
        return cls(name, arguments, keccak256(signature.encode())[:4])

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(argument.type for argument in self.arguments)})"

    @property
    def takes_many(self) -> bool:
        """Whether a call carries a list of payloads and not just one."""
        return self.arguments[0].type == "bytes[]"

    def calldata(self, *values: Any) -> bytes:
        """The calldata of an honest caller."""
        return self.selector + encode(self.arguments, values)


class Call(Record, frozen=True):
    """A decoded call: its function, the payloads given to it, and its parameter, if any."""

    function: Function
    payloads: tuple[bytes, ...]
    parameter_payload: bytes | None
    raw: bytes

    @property
    def paths(self) -> list[str]:
        """What each payload is called: `payload`, or `payloads[0]` and so on."""
        name = self.function.arguments[0].name
        if not self.function.takes_many:
            return [name]
        return [f"{name}[{index}]" for index in range(len(self.payloads))]

    @property
    def parts(self) -> list[Part]:
        """Where in the calldata each argument stands, as the contract reads them."""
        trace: list[Part] = []
        decode_calldata(self.function.arguments, self.raw, trace=trace)
        return trace

    @property
    def departures(self) -> list[Departure]:
        """Where the calldata differs from what an honest caller's encoder writes."""
        return departures(self.parts, self.raw)

    def encode(self) -> bytes:
        """The calldata it was read from."""
        return self.raw


def function_of(functions: Iterable[Function], calldata: bytes) -> Function | None:
    """The function whose selector the calldata starts with."""
    selector = calldata[:4]
    for known in functions:
        if known.selector == selector:
            return known
    return None


def function_named(functions: Sequence[Function], name: str | None) -> Function:
    """The function of that name, in any case, or signature; the first if none is named."""
    if name is None:
        return functions[0]
    for function in functions if isinstance(name, str) else ():
        if name.lower() == function.name.lower() or name == function.signature:
            return function
    names = " or ".join(function.name for function in functions)
    raise Misuse("no such function", field="function", expected=names, found=shown(name))


def decode_call(
    functions: Sequence[Function],
    value: str | bytes | bytearray | memoryview,
    profile: Profile = AS_CONTRACT,
) -> Call:
    """Calldata of one of these functions; `Malformed` if it is of another or would revert."""
    raw = to_bytes(value, name="calldata")
    function = function_of(functions, raw)
    if function is None:
        raise Malformed(
            "not a call of " + " or ".join(known.signature for known in functions),
            offset=0,
            field="selector",
            expected=" or ".join("0x" + known.selector.hex() for known in functions),
            found="0x" + raw[:4].hex(),
        )
    first, *rest = decode_calldata(function.arguments, raw)
    payloads = first if isinstance(first, tuple) else (first,)
    call = Call(function, payloads, rest[0] if rest else None, raw)
    profile.require(call)
    return call


def view_call(
    function: Function, raw: bytes, inner: Callable[[bytes], View], parameter: Expander, why: str
) -> View:
    """Every byte of a call, with each payload inside it opened in its place by `inner`."""
    parts: list[Part] = []
    error = None
    try:
        decode_calldata(function.arguments, raw, trace=parts)
    except Malformed as malformed:
        error = malformed

    def selector(data: bytes, part: Part) -> Iterator[Span]:
        yield Span(0, "selector", "bytes4", hexed(data[:4]), None, "", function.signature)

    def opened(data: bytes, part: Part) -> Iterator[Span]:
        return shift(inner(data[part.offset : part.end]).spans, part.offset, part.path)

    paths = [part.path for part in parts if part.role == "value"]
    inner_paths = (path for path in paths if path.startswith("payload"))
    expanders: dict[str, Expander] = dict.fromkeys(inner_paths, opened)
    expanders |= {"selector": selector, "parameter_payload": parameter}
    return View(function.name, why, len(raw), lay_out(parts, raw, expanders, error), error)
