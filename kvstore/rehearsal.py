"""What tests may do to a server and Redis has not: DEBUG CLOCK, CHECKPOINT, ROLLBACK and FAULT.

    DEBUG CLOCK [FREEZE | THAW | ADVANCE ms]     the time in ms, after that
    DEBUG CHECKPOINT [DROP]                      remember all data / no longer
    DEBUG ROLLBACK                               go back; how many keys had been touched
    DEBUG FAULT ...                              see kvstore.faults

Like all of DEBUG they are there only with `enable-debug-command`.
"""

from __future__ import annotations

from bedrock.world.steered import SteeredClock
from kvstore.checkpoint import Checkpoint
from kvstore.debugging import DEBUG, text
from kvstore.faults import Faults, parse
from kvstore.replica_commands import number
from kvstore.resp import ReplyError


def debug_clock(client, words):
    """DEBUG CLOCK [FREEZE | THAW | ADVANCE ms]"""
    store = client.store
    if not isinstance(store.clock, SteeredClock):
        store.set_clock(SteeredClock(store.clock))
    clock = store.clock
    match [text(word).upper() for word in words[2:]]:
        case []:
            pass
        case ["FREEZE"]:
            clock.freeze()
        case ["THAW"]:
            clock.thaw()
        case ["ADVANCE", ms]:
            if number(ms.encode()) < 0:
                raise ReplyError("ERR time does not go back")
            clock.advance(int(ms))
        case _:
            raise ReplyError("ERR syntax error")
    return store.now()


def debug_checkpoint(client, words):
    """DEBUG CHECKPOINT [DROP]"""
    store = client.store
    options = [text(word).upper() for word in words[2:]]
    if options not in ([], ["DROP"]):
        raise ReplyError("ERR syntax error")
    if store.checkpoint is not None:
        store.checkpoint.drop()
    store.checkpoint = None if options else Checkpoint(store)
    return "OK"


def debug_rollback(client, words):
    """DEBUG ROLLBACK"""
    if client.store.checkpoint is None:
        raise ReplyError("ERR there is no checkpoint to go back to")
    return client.store.checkpoint.roll_back()


def debug_fault(client, words):
    """DEBUG FAULT LATENCY ms | ERROR text | DISCONNECT | LOSE [options] | LIST | CLEAR"""
    store = client.store
    said = [text(word) for word in words[2:]]
    if store.faults is None:
        store.faults = Faults(store)
    match [word.upper() for word in said]:
        case ["LIST"]:
            return [str(fault).encode() for fault in store.faults.list]
        case ["CLEAR"]:
            store.faults.clear()
        case []:
            raise ReplyError("ERR wrong number of arguments for 'debug|fault' command")
        case _:
            store.faults.add(parse(said))
    return "OK"


DEBUG |= {
    "checkpoint": debug_checkpoint,
    "clock": debug_clock,
    "fault": debug_fault,
    "rollback": debug_rollback,
}
