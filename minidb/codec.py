"""Rows in the log and in checkpoints: msgpack, with columns of machine values as raw bytes.

Types msgpack lacks are extensions: 1 a Decimal as text, 2 a tuple (arrays, intervals) as a list,
3 an integer beyond 64 bits as text.

    column    [dtype, values, nulls]   values raw little-endian, or a list for objects;
              nulls raw bytes of 0 and 1, or nil
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgpack

from bedrock.lazy import numpy as np


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return msgpack.ExtType(1, str(value).encode())
    if isinstance(value, tuple):
        return msgpack.ExtType(2, pack(list(value)))
    if isinstance(value, int):
        return msgpack.ExtType(3, str(value).encode())
    raise TypeError(f"cannot keep a {type(value).__name__}")


def _ext(code: int, data: bytes) -> Any:
    if code == 1:
        return Decimal(data.decode())
    if code == 2:
        return tuple(unpack(data))
    if code == 3:
        return int(data.decode())
    raise ValueError(f"unknown extension {code}")


def pack(value: Any) -> bytes:
    return msgpack.packb(value, default=_default, strict_types=True)


def unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, ext_hook=_ext, strict_map_key=False)


def pack_column(data: np.ndarray, nulls: np.ndarray | None) -> list[Any]:
    if data.dtype == object:
        return ["O", data.tolist(), None]
    flags = None if nulls is None or not nulls.any() else nulls.tobytes()
    return [data.dtype.char, data.tobytes(), flags]


def unpack_column(column: list[Any], n: int) -> tuple[np.ndarray, np.ndarray | None]:
    code, values, flags = column
    if code == "O":
        if len(values) != n:
            raise ValueError("a column is too short")
        data = np.fromiter(values, object, n)
        nulls = np.fromiter((v is None for v in values), bool, n)
        return data, nulls if nulls.any() else None
    data = np.frombuffer(values, code)
    if len(data) != n:
        raise ValueError("a column is too short")
    return data, None if flags is None else np.frombuffer(flags, bool)
