"""Modules that are loaded at their first use and not before.

A server must answer within 150 ms of its start, and numpy alone takes 60 of them.  So modules that
compute with numpy say

    from bedrock.lazy import numpy as np

and pay at their first array.  After that `np` is the module itself: no wrapper stays between.  What
may be had so stands below.
"""

from __future__ import annotations

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING


def lazy(name: str) -> ModuleType:
    """The module `name`; its code runs when the first attribute is asked for."""
    if name in sys.modules:
        return sys.modules[name]
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = LazyLoader(spec.loader)
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    import hashlib
    import hmac

    import numpy
    import sortedcontainers
    import wsproto
else:

    def __getattr__(name: str) -> ModuleType:
        if name not in __all__:
            raise AttributeError(name)
        return lazy(name)


__all__ = ["hashlib", "hmac", "lazy", "numpy", "sortedcontainers", "wsproto"]
