"""One target under the fuzzer, in this process: started by `python -m tests.fuzz`.

Nothing of this library may be imported before the fuzzer instruments it.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import atheris

with atheris.instrument_imports(include=["payloads"]):
    import payloads

    for module in pkgutil.walk_packages(payloads.__path__, "payloads."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()
