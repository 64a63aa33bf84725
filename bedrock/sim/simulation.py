"""A run: machines in one virtual time, faults for a while, then calm, then a verdict.

    async def scenario(sim: Simulation) -> None:
        machine = sim.machine("server", build)        build(world) starts the node under test
        await machine.start()
        clients = [sim.spawn(client(sim.host("client"))) for _ in range(3)]
        await sim.trouble(10)                         safety: everything may happen
        await asyncio.wait(clients, timeout=60)       liveness: all is healed, they must finish
        assert ...                                    the history is what was promised

`run(scenario, seed)` plays it.  Everything that happens goes into a trace, whose SHA-256 tells
whether two runs were the same.

A crash of a machine: its tasks are cancelled, its callbacks never run again, its open files raise
`PowerCut`, its links fall silent or are reset, and its disk keeps what the crash left.  A disk that
failed ends the process as it does in a real server.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from bedrock.sim.clock import SimClock
from bedrock.sim.disk import DiskFaults, Medium, PowerCut
from bedrock.sim.faults import Faults
from bedrock.sim.loop import BOOT, SimLoop, Stuck
from bedrock.sim.net import Network, SimNet
from bedrock.storage.errors import Damaged
from bedrock.world import DiskFailed, Rand, Turn, World
from bedrock.world.world import forget_tasks

Build = Callable[[World], Coroutine[Any, Any, Any]]
Scenario = Callable[["Simulation"], Coroutine[Any, Any, None]]

LIMIT_S = 3600  # virtual; a run that takes longer hangs

# Faults planted on purpose, to see whether the scenarios convict them.
PLANTS = {"skip-fsync": DiskFaults(sync_skipped=1 / 20)}


class Violation(AssertionError):
    """A promise was broken."""


@dataclass
class Outcome:
    """How a run ended.

    why:       "" when every promise was kept
    digest:    SHA-256 of the trace; equal runs have equal digests
    virtual_s: how long it took in virtual time
    """

    seed: int
    why: str
    digest: str
    virtual_s: float
    steps: int
    crashes: int
    operations: int
    faults: Faults
    events: list[str] = field(default_factory=list)


class Boot:
    """A machine between power-on and crash."""

    def __init__(self, machine: Machine):
        sim = machine.sim
        self.over = False
        self.paused = False
        self.parked: list[asyncio.Handle] = []
        self.tasks: dict[asyncio.Task, None] = {}
        self.context = Context()
        self.context.run(BOOT.set, self)
        turn = Turn()
        turn.failed = lambda exc: sim.loop.call_soon(
            machine.exit, self, context=sim.network.context
        )
        self.net = SimNet(sim.network, machine.name, machine.clock, turn, self.context)
        self.world = World(
            disk=machine.medium.disk(),
            net=self.net,
            clock=machine.clock,
            rand=sim.rand.fork(),
            turn=turn,
            node=machine.name,
        )


class Machine:
    """A machine with a disk that outlives its boots.

    node: what `build` returned in the present boot, None while it is down or starting
    """

    def __init__(self, sim: Simulation, name: str, build: Build | None):
        rand, faults = sim.rand, sim.faults
        self.sim = sim
        self.name = name
        self.build = build
        self.clock = SimClock(
            sim.loop.virtual,
            rand.between(-faults.clock_skew_ms, faults.clock_skew_ms),
            rand.between(-faults.clock_drift_ppm, faults.clock_drift_ppm),
        )
        self.medium = Medium(rand.fork(), trace=lambda *event: sim.trace(name, *event))
        self.boot: Boot | None = None
        self.node: Any = None
        self.crashes = 0

    async def start(self) -> None:
        """Boot, and wait until the node is up or has died on the way."""
        assert self.boot is None
        self.sim.trace(self.name, "start")
        boot = self.boot = Boot(self)
        assert self.build is not None
        task = self.sim.loop.create_task(self.build(boot.world), context=boot.context)
        await asyncio.wait([task])
        if task.cancelled() or boot.over:
            return
        exc = task.exception()
        if isinstance(exc, Damaged):
            raise Violation(f"{self.name} refused its own files: {exc}") from exc
        if isinstance(exc, (OSError, PowerCut)):
            self.exit(boot)
        elif exc is not None:
            raise exc
        else:
            self.node = task.result()

    def power_cut(self) -> None:
        """The power fails: of what was not synced, anything may be lost."""
        if self.boot is not None:
            self._end("power cut", self.boot.net.power_off)
        self.medium.crash()

    def kill(self) -> None:
        """The process dies; the system and its cache live on."""
        if self.boot is not None:
            self._end("kill", self.boot.net.process_died)
            self.medium.kill()

    def exit(self, boot: Boot) -> None:
        """The process ended by itself, because its disk failed."""
        if self.boot is boot:
            self.kill()

    def pause(self) -> None:
        """The process stands still."""
        if self.boot is not None:
            self.sim.trace(self.name, "pause")
            self.boot.paused = self.boot.net.silent = True

    def resume(self) -> None:
        """It goes on."""
        if self.boot is not None and self.boot.paused:
            self.sim.trace(self.name, "resume")
            self.boot.paused = self.boot.net.silent = False
            self.sim.loop.unpark(self.boot)

    def _end(self, how: str, end_net: Callable[[], None]) -> None:
        boot = self.boot
        assert boot is not None
        self.sim.trace(self.name, how)
        self.crashes += 1
        self.resume()
        boot.over = True
        end_net()
        self.sim.past.append(boot)
        for task in list(boot.tasks):
            task.cancel()
        self.boot = self.node = None

    def answer_again(self) -> None:
        """The machine, if not its process, is up: old connections are reset."""
        for boot in self.sim.past:
            if boot.net.host == self.name:
                boot.net.silent = False


class Simulation:
    """See the module.

    seed:     all there is to know about a run, together with the code
    faults:   what may go wrong; drawn from the seed when None
    planted:  faults of the disks that should be convicted
    record:   keep the events, not only their hash
    """

    def __init__(
        self,
        seed: int,
        faults: Faults | None = None,
        planted: DiskFaults | None = None,
        record: bool = False,
    ):
        self.seed = seed
        self.rand = Rand(seed)
        self.faults = faults or Faults.swarm(self.rand.fork())
        self.planted = planted
        self.loop = SimLoop(self.rand.fork())
        self.loop.limit_ns = LIMIT_S * 10**9
        self.network = Network(self.loop, self.rand.fork(), self.faults, self.trace)
        self.machines: dict[str, Machine] = {}
        self.past: list[Boot] = []
        self.calm = asyncio.Event()
        self.operations = 0
        self.events: list[str] = []
        self._record = record
        self._hash = hashlib.sha256()
        self._clock = 0

    def trace(self, *event: Any) -> None:
        """Something happened: (who or what, details of plain types)."""
        line = f"{self.loop.virtual.now_ns} {' '.join(map(str, event))}\n"
        self._hash.update(line.encode())
        if self._record:
            self.events.append(line.rstrip())

    @property
    def digest(self) -> str:
        """SHA-256 of what happened so far."""
        return self._hash.hexdigest()

    def tick(self) -> int:
        """The next instant of a history: instants of one run never are equal."""
        self._clock += 1
        return self._clock

    def machine(self, name: str, build: Build) -> Machine:
        """A machine that trouble may befall; `await machine.start()` it."""
        machine = self.machines[name] = Machine(self, name, build)
        machine.medium.faults = DiskFaults(
            sync_eio=self.faults.sync_eio,
            sync_skipped=self.planted.sync_skipped if self.planted else 0,
        )
        return machine

    def host(self, name: str) -> World:
        """The world of a client: it never crashes, but its network may be cut."""
        return Boot(Machine(self, name, None)).world

    def spawn(self, coro: Coroutine) -> asyncio.Task:
        """Run a client as a task of its own."""
        return self.loop.create_task(coro)

    async def trouble(self, seconds: float) -> None:
        """Let the faults play for a while, then heal everything for good and set `calm`."""
        plagues = [self.spawn(plague) for plague in self._plagues()]
        await asyncio.sleep(seconds)
        for task in plagues:
            task.cancel()
        for done in await asyncio.gather(*plagues, return_exceptions=True):
            if isinstance(done, Exception):
                raise done
        self.trace("calm")
        self.faults = self.faults.calm()
        self.network.faults = self.faults
        self.network.heal()
        for machine in self.machines.values():
            machine.resume()
            machine.medium.capacity = 0
            machine.medium.faults.sync_eio = 0
            machine.medium.arm()
            await self.bring_up(machine)
        self.calm.set()

    async def bring_up(self, machine: Machine) -> None:
        """Start a machine until it stays up."""
        machine.answer_again()
        while machine.node is None:
            if machine.boot is None:
                await machine.start()
            else:
                await asyncio.sleep(0.01)

    def _plagues(self) -> list[Coroutine]:
        faults = self.faults
        plagues: list[Coroutine] = []
        for machine in self.machines.values():
            plagues += [
                self._crashes(machine, faults.power_cut_per_s, machine.power_cut),
                self._crashes(machine, faults.kill_per_s, machine.kill),
                self._spells(faults.pause_per_s, 0.5, machine.pause, machine.resume),
                self._spells(faults.full_per_s, 1.0, *_fill(machine)),
                self._restarts(machine),
            ]
        hosts = sorted({*self.machines, "client"})
        if len(hosts) > 1:
            plagues.append(self._partitions(hosts))
        return plagues

    async def _next(self, per_s: float) -> None:
        """Wait for the next event of a rate."""
        if per_s <= 0:
            await asyncio.Event().wait()
        await asyncio.sleep(2 * self.rand.random() / per_s)

    async def _crashes(self, machine: Machine, per_s: float, crash: Callable[[], None]) -> None:
        while True:
            await self._next(per_s)
            if self.rand.chance(0.3):
                crash()
            else:
                # In the middle of something: at one of the next disk operations.
                machine.medium.on_cut = crash
                machine.medium.arm(crash_at=1 + self.rand.below(8))

    async def _restarts(self, machine: Machine) -> None:
        """A supervisor: what is down is started again after a while."""
        while True:
            await asyncio.sleep(0.001 + self.rand.random() * self.faults.down_s)
            if machine.boot is None:
                machine.answer_again()
                await machine.start()

    async def _spells(
        self, per_s: float, most_s: float, begin: Callable[[], None], end: Callable[[], None]
    ) -> None:
        while True:
            await self._next(per_s)
            begin()
            await asyncio.sleep(self.rand.random() * most_s)
            end()

    async def _partitions(self, hosts: list[str]) -> None:
        while True:
            await self._next(self.faults.partition_per_s)
            one = self.rand.choice(hosts)
            other = self.rand.choice([host for host in hosts if host != one])
            self.network.cut(one, other)
            await asyncio.sleep(self.rand.random() * self.faults.partition_s)
            self.network.heal(one, other)


def _fill(machine: Machine) -> tuple[Callable[[], None], Callable[[], None]]:
    def fill() -> None:
        machine.medium.capacity = max(1, machine.medium.used_bytes())

    def empty() -> None:
        machine.medium.capacity = 0

    return fill, empty


def work(world: World, coro: Coroutine) -> asyncio.Task:
    """Run a node's own activity; a disk that fails under it ends the process, as in a server."""
    task = world.spawn(coro, "worker")
    task.add_done_callback(lambda ended: _report_disk(world, ended))
    return task


def _report_disk(world: World, task: asyncio.Task) -> None:
    exc = None if task.cancelled() else task.exception()
    if isinstance(exc, DiskFailed):
        world.turn.fail(exc)


def run(
    scenario: Scenario,
    seed: int,
    *,
    faults: Faults | None = None,
    planted: DiskFaults | None = None,
    record: bool = False,
) -> Outcome:
    """Play a scenario; the outcome says which promise was broken, if any."""
    sim = Simulation(seed, faults, planted, record)
    drawn = sim.faults
    why = ""
    try:
        sim.loop.run_until_complete(scenario(sim))
    except (Violation, AssertionError) as exc:
        why = str(exc) or "assertion failed"
    except Stuck as exc:
        why = f"stuck: {exc}"
    except Exception as exc:
        why = f"{type(exc).__name__}: {exc}"
    why = why or _unhandled(sim.loop)
    sim.trace("end", why)
    _close(sim)
    return Outcome(
        seed,
        why,
        sim.digest,
        sim.loop.time(),
        sim.loop.steps,
        sum(machine.crashes for machine in sim.machines.values()),
        sim.operations,
        drawn,
        sim.events,
    )


def _close(sim: Simulation) -> None:
    """Cancel what still runs, and close."""

    async def end() -> None:
        for machine in sim.machines.values():
            machine.resume()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)

    with contextlib.suppress(Stuck):
        sim.loop.run_until_complete(end())
    forget_tasks(sim.loop)
    sim.loop.close()


def _unhandled(loop: SimLoop) -> str:
    """An exception that nobody caught, unless it comes with the faults."""
    for context in loop.errors:
        exc = context.get("exception")
        if exc is not None and not isinstance(exc, (PowerCut, OSError, asyncio.CancelledError)):
            return f"unhandled {type(exc).__name__}: {exc}"
    return ""
