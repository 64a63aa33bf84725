"""Scripts and libraries of functions, kept and run: EVAL, EVALSHA, FCALL and their _RO forms.

    EVAL code ─┐  compiled once
               ├─► Script ─► admit ─► Machine.run ─► redis.call ─► the engine
    FCALL name ┘  registered by a library

Two machines, each made when it is first needed: functions see nothing of what EVAL's scripts see,
and SCRIPT FLUSH gives a machine's memory back by giving up the machine.

The log gets what a script changed, between MULTI and EXEC, never the script: a replay needs no Lua.
Libraries are the exception: FUNCTION LOAD is a write like any other.

A script that takes longer than `busy-reply-threshold` lets others be served meanwhile, with -BUSY
but for the few commands that end it: SCRIPT KILL, FUNCTION KILL (while it has written nothing) and
SHUTDOWN NOSAVE.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport STALE, TRACKED, Client, Store
from kvstore.lua.machine cimport Machine
from kvstore.lua.stepping cimport SteppedClient, SteppingMachine
from kvstore.resp cimport Args, parse_int, put_error
from kvstore.script_client cimport ScriptClient

import hashlib
from functools import partial

from bedrock.app.logs import logger
from kvstore.refusals import MASTER_DOWN
from kvstore.resp import ReplyError
from kvstore.shebang import FLAGS, library_name, script_flags
from kvstore.slots import key_slot
from kvstore.version import REDIS_VERSION

log = logger("kvstore")

NOT_FOUND = "NOSCRIPT No matching script. Please use EVAL."
NOTHING_RUNS = "NOTBUSY No scripts in execution right now."
UNKILLABLE = (
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
    "either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE "
    "command.")
OF_THE_PRIMARY = (
    "UNKILLABLE The busy script was sent by a master instance in the context of replication and "
    "cannot be killed.")
NO_MEMORY = (
    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'")

cdef int64_t LOAD_NS = 500_000_000     # for the code of a library to run, at most


def machine_facts() -> dict:
    """What `redis` says of itself."""
    major, minor, patch = map(int, REDIS_VERSION.split("."))
    return {
        b"version": REDIS_VERSION.encode(),
        b"version_number": major << 16 | minor << 8 | patch,
        b"flags": [flag.encode() for flag in FLAGS],
    }


cdef class Script:
    """Something that can be run."""

    def __init__(self, int code, bytes name not None, flags, bytes description=None):
        self.code, self.name, self.flags, self.description = code, name, flags, description


cdef class Library:
    """Functions that were loaded together, and the code they came from."""

    def __init__(self, bytes name not None, bytes code not None, list functions not None):
        self.name, self.code, self.functions = name, code, functions


cdef class Running:
    """The script that runs now: since when, for whom, and whether it was killed."""

    def age_ms(self, Store store not None) -> int:
        """How long it has been running."""
        return (store.clock.now_ns() - self.began_ns) // 1_000_000

    @property
    def command(self) -> list[bytes]:
        """The words it was called with."""
        return self.words.list()

    @property
    def busy(self) -> str:
        """What everyone else is told meanwhile."""
        by = "FUNCTION" if self.is_function else "SCRIPT"
        return (f"BUSY Redis is busy running a script. You can only call {by} KILL or "
                "SHUTDOWN NOSAVE.")


cdef class Scripts:
    """The scripts and libraries of a store.

    by_sha, by_code    EVAL's scripts, by SHA1 and by their text
    libraries          name -> Library
    functions          name in small letters -> (Library, Script)
    """

    def __init__(self, Store store not None):
        self.store = store
        self.client = ScriptClient(store)
        self.spare = Running()
        self.by_sha, self.by_code = {}, {}
        self.libraries, self.functions = {}, {}

    cdef Machine machine(self):
        """A new machine."""
        return Machine(self.client, self.tick, machine_facts())

    @property
    def memory(self) -> tuple[int, int]:
        """Bytes of the machines of EVAL and of functions."""
        return (self.evals.memory if self.evals is not None else 0,
                self.calls.memory if self.calls is not None else 0)

    # ------------------------------------------------------------------ stopping

    def tick(self) -> bytes | None:
        """Called from within a script from time to time; why it has to stop, or None."""
        cdef Running running = self.running
        if running is None:
            late = self.loading_until_ns and self.store.clock.now_ns() > self.loading_until_ns
            return b"ERR FUNCTION LOAD timeout" if late else None
        limit_ms = self.store.parameters["busy-reply-threshold"]
        if limit_ms and running.age_ms(self.store) >= limit_ms:
            if not running.slow:
                running.slow = True
                log.warning(
                    f"Slow script detected: still in execution after "
                    f"{running.age_ms(self.store)} milliseconds", script=running.name.decode())
            self.client.breathe(running.busy)
        return running.killed

    def kill(self, bint is_function) -> None:
        """Let the script that runs stop at its next line, or say why it cannot."""
        cdef Running running = self.running
        if running is None:
            raise ReplyError(NOTHING_RUNS)
        if running.caller.replaying:
            raise ReplyError(OF_THE_PRIMARY)
        if self.store.keyspace.dirty != running.dirty:
            raise ReplyError(UNKILLABLE)
        if running.is_function != is_function:
            raise ReplyError(running.busy)
        by = "FUNCTION" if is_function else "SCRIPT"
        running.killed = f"ERR Error running script: Script killed by user with {by} KILL.".encode()

    def stop(self) -> None:
        """The server ends: a script that runs ends before it, whatever it did."""
        if self.running is not None:
            self.running.killed = b"ERR the server is stopping"

    # ------------------------------------------------------------------ EVAL's scripts

    def load(self, bytes code) -> bytes:
        """Compile a script and keep it; its SHA1."""
        return self.script_of(code).name

    cdef Script script_of(self, bytes code):
        cdef Script script = self.by_code.get(code)
        if script is not None:
            return script
        flags, body = script_flags(code)
        if self.evals is None:
            self.evals = self.machine()
        sha = hashlib.sha1(code, usedforsecurity=False).hexdigest().encode()
        try:
            script = Script(self.evals.compile(body, b"@user_script"), sha, flags)
        except ReplyError as error:
            raise ReplyError(f"ERR Error compiling script (new function): {error}") from None
        self.by_sha[sha] = self.by_code[code] = script
        return script

    def flush(self) -> None:
        """Forget EVAL's scripts."""
        self.by_sha.clear()
        self.by_code.clear()
        self.evals = None

    # ------------------------------------------------------------------ libraries

    def load_library(self, bytes code, bint replace) -> bytes:
        """Add a library; its name."""
        name, body = library_name(code)
        if name in self.libraries and not replace:
            raise ReplyError(f"ERR Library '{name.decode()}' already exists")
        if self.calls is None:
            self.calls = self.machine()
        self.loading_until_ns = self.store.clock.now_ns() + LOAD_NS
        try:
            rows = self.calls.collect(body, b"@user_function")
        finally:
            self.loading_until_ns = 0
        functions = [Script(place, each, frozenset(flag.decode() for flag in flags), description)
                     for each, (place, flags, description) in rows.items()]
        if not functions:
            raise ReplyError("ERR No functions registered")
        for function in functions:
            owner = self.functions.get(function.name.lower())
            if owner is not None and owner[0].name != name:
                raise ReplyError(f"ERR Function {function.name.decode()} already exists")
        if name in self.libraries:
            self.delete_library(name)
        library = self.libraries[name] = Library(name, code, functions)
        for function in functions:
            self.functions[function.name.lower()] = (library, function)
        return name

    def delete_library(self, bytes name) -> None:
        """Forget a library and its functions."""
        cdef Script function
        library = self.libraries.pop(name, None)
        if library is None:
            raise ReplyError("ERR Library not found")
        for function in library.functions:
            del self.functions[function.name.lower()]

    def restore(self, list codes, bint flush, bint replace) -> None:
        """Add several libraries, or, when one of them is refused, none."""
        before = self.libraries.copy(), self.functions.copy(), self.calls
        try:
            if flush:
                self.flush_libraries()
            for code in codes:
                name = library_name(code)[0]
                if name in self.libraries and not replace:
                    raise ReplyError(f"ERR Library {name.decode()} already exists")
                self.load_library(code, replace)
        except ReplyError:
            self.libraries, self.functions, self.calls = before
            raise

    def flush_libraries(self) -> None:
        """Forget all libraries."""
        self.libraries, self.functions = {}, {}
        self.calls = None

    # ------------------------------------------------------------------ running

    cdef int admit(self, Client caller, ScriptClient client, Script script,
                   bint* read_only) except -1:
        """Refuse what the flags of a script do not let run now; whether it may only read."""
        client.may_take = False
        if script.flags is not None and "no-cluster" in script.flags \
                and self.store.router is not None:
            raise ReplyError("ERR Can not run script on cluster, 'no-cluster' flag is set.")
        if caller.gate & STALE and (script.flags is None or "allow-stale" not in script.flags):
            raise ReplyError(MASTER_DOWN)
        if script.flags is None:
            return 0
        client.may_take = "allow-oom" in script.flags
        if "no-writes" in script.flags:
            read_only[0] = True
            return 0
        if read_only[0]:
            raise ReplyError("ERR Can not execute a script with write flag using *_ro command.")
        if self.store.refusal is not None and not caller.replaying:
            raise ReplyError(self.store.refusal)
        if self.store.out_of_memory and not client.may_take:
            raise ReplyError(NO_MEMORY)
        return 0

    cdef int run(self, Client caller, Machine machine, Script script, Args a, bint is_function,
                 bint read_only, Buf out) except -1:
        """Run a script for the request `a`: a word, a script, the number of keys, keys, arguments."""
        cdef ScriptClient client = machine.client
        cdef Running running = self.spare
        cdef Py_ssize_t n = count_keys(a, is_function)
        cdef bint done
        self.admit(caller, client, script, &read_only)
        running.began_ns = self.store.clock.now_ns()
        running.dirty = self.store.keyspace.dirty
        running.words, running.caller = a, caller
        running.is_function, running.name, running.killed = is_function, script.name, None
        running.slow = False
        client.begin(caller, read_only)
        if self.store.router is not None:
            client.one_slot = (
                script.flags is not None and "allow-cross-slot-keys" not in script.flags)
            client.slot = key_slot(a.text(3)) if n else -1
        self.running = running
        try:
            done = machine.run(script.code, a, 3, n, is_function, out, caller.resp)
        finally:
            self.running = None
            client.end(caller)
        if client.has_read and caller.gate & TRACKED:
            self.store.tracking.remember(caller, [a.text(3 + i) for i in range(n)])
        if not done:
            return self.fail(caller, machine, script, out)
        return 0

    cdef int fail(self, Client caller, Machine machine, Script script, Buf out) except -1:
        """Answer with the error a script ended with."""
        text = machine.error.rstrip(b"\r\n")
        if machine.place:
            text = machine.error + b" script: " + script.name + b"," + machine.place
        if not machine.counted:
            raise ReplyError(text.decode("latin-1"))
        caller.command.failed += 1         # the engine has counted the rest
        return put_error(out, text)


    # ------------------------------------------------------------------ debugging

    cdef int debug(self, Client caller, Args a, Buf out, bint read_only) except -1:
        """EVAL for who debugs his scripts, here or in a process of its own (kvstore.ldb)."""
        if caller.executing or out.n or caller.link.queued:
            raise ReplyError(
                "ERR a script is debugged outside of a transaction and of a pipeline")
        if caller.debugs == "sync":
            log.warning("Redis synchronous debugging eval session started")
            self.run_stepping(caller, a, out, read_only, self.serve_others)
            log.warning("Redis synchronous debugging eval session ended")
            caller.link.close()
            return 0
        if self.store.log_engine is not None:
            raise ReplyError("ERR with the log engine scripts can be debugged in SYNC mode only")
        try:
            caller.link.branch(partial(self.debug_alone, caller, a, read_only))
        except OSError as error:
            raise ReplyError(
                f"ERR Fork() failed: can't run EVAL in debugging mode: {error.strerror}") from None
        return 0

    def debug_alone(self, Client caller, Args a, bint read_only) -> None:
        """In a process of its own, with which all ends that the script changes."""
        cdef Buf out = Buf()
        log.warning("Redis forked for debugging eval")
        self.store.keep(None)
        self.run_stepping(caller, a, out, read_only, None)
        caller.link.send_now(bytes(out))
        log.warning("Lua debugging session child exiting")

    cdef int run_stepping(self, Client caller, Args a, Buf out, bint read_only, serve) except -1:
        """Let who debugs step through a script, up to the reply."""
        from kvstore.ldb import Debugger

        cdef Script script
        cdef SteppedClient client
        cdef SteppingMachine machine
        cdef bytes code = a.text(1)
        debugger = Debugger(
            caller.link, code, self.store.parameters["busy-reply-threshold"], self.store.clock,
            serve)
        try:
            count_keys(a, False)
            script = self.script_of(code)
            client = SteppedClient(self.store, debugger)
            client.may_all = self.client.may_all
            machine = SteppingMachine(debugger, client, machine_facts())
            script = Script(
                machine.compile(script_flags(code)[1], b"@user_script"), script.name, script.flags)
            self.run(caller, machine, script, a, False, read_only, out)
        except ReplyError as error:
            caller.command.failed += 1
            self.store.put_failure(out, error)
        finally:
            debugger.end()
        return 0

    def serve_others(self) -> bytes | None:
        """Called while a script waits for who debugs it; why it has to stop, or None."""
        self.client.breathe(self.running.busy)
        return self.running.killed


cdef Py_ssize_t count_keys(Args a, bint is_function) except -1:
    """How many words behind the third are keys."""
    cdef int64_t n
    if not parse_int(a.v[2].p, a.v[2].n, &n):
        raise ReplyError("ERR Bad number of keys provided" if is_function
                         else "ERR value is not an integer or out of range")
    if n > a.n - 3:
        raise ReplyError("ERR Number of keys can't be greater than number of args")
    if n < 0:
        raise ReplyError("ERR Number of keys can't be negative")
    return n


cpdef Scripts scripts_of(Client c):
    """The scripts of the client's store, made at the first use."""
    if c.store.scripts is None:
        c.store.scripts = Scripts(c.store)
    return c.store.scripts


cdef int eval_as(Client c, Args a, Buf out, bint read_only) except -1:
    cdef Scripts scripts = scripts_of(c)
    if c.debugs is not None:
        return scripts.debug(c, a, out, read_only)
    count_keys(a, False)
    cdef Script script = scripts.script_of(PyBytes_FromStringAndSize(a.v[1].p, a.v[1].n))
    return scripts.run(c, scripts.evals, script, a, False, read_only, out)


cdef int evalsha_as(Client c, Args a, Buf out, bint read_only) except -1:
    cdef Scripts scripts = scripts_of(c)
    cdef bytes sha = PyBytes_FromStringAndSize(a.v[1].p, a.v[1].n)
    if c.debugs is not None:
        raise ReplyError("ERR Please use EVAL instead of EVALSHA for debugging")
    cdef Script script = scripts.by_sha.get(sha)
    if script is None:
        script = scripts.by_sha.get(sha.lower())
    if script is None:
        raise ReplyError(NOT_FOUND)
    return scripts.run(c, scripts.evals, script, a, False, read_only, out)


cdef int fcall_as(Client c, Args a, Buf out, bint read_only) except -1:
    cdef Scripts scripts = scripts_of(c)
    found = scripts.functions.get(PyBytes_FromStringAndSize(a.v[1].p, a.v[1].n).lower())
    if found is None:
        raise ReplyError("ERR Function not found")
    return scripts.run(c, scripts.calls, <Script>(<tuple>found)[1], a, True, read_only, out)


cdef int eval_(Client c, Args a, Buf out) except -1:
    return eval_as(c, a, out, False)


cdef int eval_ro(Client c, Args a, Buf out) except -1:
    return eval_as(c, a, out, True)


cdef int evalsha(Client c, Args a, Buf out) except -1:
    return evalsha_as(c, a, out, False)


cdef int evalsha_ro(Client c, Args a, Buf out) except -1:
    return evalsha_as(c, a, out, True)


cdef int fcall(Client c, Args a, Buf out) except -1:
    return fcall_as(c, a, out, False)


cdef int fcall_ro(Client c, Args a, Buf out) except -1:
    return fcall_as(c, a, out, True)


define("eval", eval_)
define("eval_ro", eval_ro)
define("evalsha", evalsha)
define("evalsha_ro", evalsha_ro)
define("fcall", fcall)
define("fcall_ro", fcall_ro)
