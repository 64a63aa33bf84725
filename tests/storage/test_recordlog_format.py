"""docs/formats/recordlog.md says what the log writes: its example is read, and written again."""

import re
from pathlib import Path

from bedrock.sim.disk import Medium
from bedrock.storage.recordlog import RecordLog
from bedrock.world import Rand

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "recordlog.md"
NAME = "00000000000000000000.log"


class Drawn:
    """A Rand whose next number is known."""

    def u64(self) -> int:
        return 0x0123456789ABCDEF


def example() -> bytes:
    block = re.search(r"```hex\n(.*?)```", PAGE.read_text(), re.S)
    assert block
    rows = re.findall(r"^[0-9a-f]{2}  ((?:[0-9a-f]{2} ){8})", block[1], re.M)
    return bytes.fromhex("".join(rows))


def test_the_documented_bytes_are_read():
    disk = Medium(Rand(1)).disk()
    disk.replace(NAME, example())
    log = RecordLog(disk)
    assert list(log.replay()) == [(0x20, b"hello"), (0x38, b"a"), (0x50, b"b")]
    assert (log.log_id, log.end, log.findings) == (0x0123456789ABCDEF, 0x68, [])


def test_the_documented_bytes_are_written():
    disk = Medium(Rand(1)).disk()
    log = RecordLog(disk, rand=Drawn())
    log.append(b"hello")
    log.flush()
    log.append(b"a")
    log.append(b"b")
    log.flush()
    assert disk.read(NAME) == example()
