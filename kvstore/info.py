"""INFO: what the server says about itself, in the sections and names Redis has for them.

Only what is measured is listed; a field that would be invented is left out.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from typing import Any

from kvstore.binding import command
from kvstore.resp import Verbatim
from kvstore.version import REDIS_VERSION

PAGE = resource.getpagesize()


def rss_bytes() -> int:
    """Memory this process really has now."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def server(store: Any) -> dict[str, Any]:
    """Version, process, uptime."""
    up_s = (store.keyspace.now_ms - store.started_ms) // 1000
    parameters = store.parameters
    return {
        "redis_version": REDIS_VERSION,
        "redis_mode": "standalone" if store.router is None else "cluster",
        "server_name": "bedrock kvstore",
        "os": " ".join((os.uname().sysname, os.uname().release, os.uname().machine)),
        "arch_bits": 64 if sys.maxsize > 2**32 else 32,
        "process_id": os.getpid(),
        "tcp_port": store.server.ports.get("port", 0) if store.server else 0,
        "server_time_usec": store.keyspace.now_ms * 1000,
        "uptime_in_seconds": up_s,
        "uptime_in_days": up_s // 86400,
        "hz": parameters["hz"],
        "configured_hz": parameters["hz"],
        "executable": sys.executable,
        "config_file": "",
        **store.stopping.facts(),
    }


def clients(store: Any) -> dict[str, Any]:
    """Connections."""
    everyone = list(store.clients.values())
    return {
        "connected_clients": len(everyone) - len(store.primary.replicas),
        "maxclients": store.parameters["maxclients"],
        "blocked_clients": sum(1 for c in everyone if c.waiter is not None or c.postponed),
        "tracking_clients": store.tracking.clients if store.tracking is not None else 0,
        "pubsub_clients": sum(1 for c in everyone if c.subscriptions),
    }


def human(n: int) -> str:
    """Bytes as 1.50M."""
    value = float(n)
    for unit in "BKMG":
        if value < 1024 or unit == "G":
            return f"{int(value)}B" if unit == "B" else f"{value:.2f}{unit}"
        value /= 1024
    raise AssertionError


def memory(store: Any) -> dict[str, Any]:
    """What data and buffers take, and what the process has; the difference is the interpreter."""
    from kvstore.memory_report import facts
    from kvstore.scripting import memory_facts

    found = facts(store)
    parameters = store.parameters
    total = os.sysconf("SC_PHYS_PAGES") * PAGE
    rss = found["rss"]
    return {
        **sized("used_memory", found["used"]),
        **sized("used_memory_rss", rss),
        **sized("used_memory_peak", found["peak"]),
        "used_memory_peak_perc": f"{100 * found['used'] / max(found['peak'], 1):.2f}%",
        "used_memory_overhead": found["overhead"],
        "used_memory_startup": 0,
        "used_memory_dataset": found["data"],
        "used_memory_dataset_perc": f"{100 * found['data'] / max(found['used'], 1):.2f}%",
        **sized("total_system_memory", total),
        **memory_facts(store),
        **sized("maxmemory", parameters["maxmemory"]),
        "maxmemory_policy": parameters["maxmemory-policy"],
        "mem_fragmentation_ratio": f"{rss / max(found['used'], 1):.2f}",
        "mem_fragmentation_bytes": rss - found["used"],
        "mem_not_counted_for_evict": found["not_counted"],
        "mem_replication_backlog": found["backlog"],
        "mem_clients_slaves": found["replicas"],
        "mem_total_replication_buffers": found["backlog"] + found["replicas"],
        "mem_clients_normal": found["normal"],
        "mem_cluster_links": 0,
        "mem_aof_buffer": found["aof"],
        "mem_allocator": "libc",
        "active_defrag_running": 0,
        "lazyfree_pending_objects": 0,
        "lazyfreed_objects": 0,
    }


def sized(name: str, n: int) -> dict[str, Any]:
    """A number of bytes, also as people read it."""
    return {name: n, f"{name}_human": human(n)}


def persistence(store: Any) -> dict[str, Any]:
    """The snapshot and the append-only file."""
    return {
        "loading": int(store.keyspace.loading),
        "async_loading": int(store.follower is not None and store.follower.loads_aside),
        **store.saver.facts(),
        **store.saver.rewrite_facts(),
    }


def stats(store: Any) -> dict[str, Any]:
    """Counters since the start or CONFIG RESETSTAT."""
    keyspace, pubsub, tracking = store.keyspace, store.pubsub, store.tracking
    net = store.world.net.counters if store.world.net is not None else {}
    return {
        "total_connections_received": store.connected,
        "total_commands_processed": store.processed,
        "total_net_input_bytes": net.get("bytes_in", 0),
        "total_net_output_bytes": net.get("bytes_out", 0),
        "rejected_connections": store.turned_away,
        "sync_full": store.primary.full,
        "sync_partial_ok": store.primary.partial,
        "sync_partial_err": store.primary.refused,
        "expired_keys": keyspace.expired,
        "evicted_keys": keyspace.evicted,
        "evicted_clients": store.evicted_clients,
        "keyspace_hits": keyspace.hits,
        "keyspace_misses": keyspace.misses,
        "pubsub_channels": len(pubsub.channels),
        "pubsub_patterns": len(pubsub.patterns),
        "tracking_total_keys": len(tracking.keys) if tracking is not None else 0,
        "tracking_total_items": tracking.items if tracking is not None else 0,
        "tracking_total_prefixes": len(tracking.prefixes) if tracking is not None else 0,
        "client_output_buffer_limit_disconnections": (
            net.get("overflows", 0) + store.client_limits.dropped),
        "migrate_cached_sockets": 0,  # a connection is not kept for the next MIGRATE
        "total_error_replies": store.errors,
    }


def replication(store: Any) -> dict[str, Any]:
    """The stream of changes, and who follows it."""
    facts: dict[str, Any] = store.primary.facts()
    return facts


def cpu(store: Any) -> dict[str, Any]:
    """Processor time of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "used_cpu_sys": f"{used.ru_stime:.6f}",
        "used_cpu_user": f"{used.ru_utime:.6f}",
    }


def commandstats(store: Any) -> dict[str, Any]:
    """A line for each command that was called."""
    return {
        f"cmdstat_{name}": f"calls={c.calls},usec={c.nsec // 1000},"
        f"usec_per_call={c.nsec / 1000 / max(c.calls, 1):.2f},"
        f"rejected_calls={c.rejected},failed_calls={c.failed}"
        for name, c in store.commands.items()
        if c.calls or c.rejected
    }


def latencystats(store: Any) -> dict[str, Any]:
    """How long each command takes, by percentiles."""
    from kvstore.latency import percentile

    wanted = store.parameters["latency-tracking-info-percentiles"]
    return {
        f"latency_percentiles_usec_{name}": ",".join(
            f"p{each:g}={percentile(command.took_octaves(), each):.3f}" for each in wanted)
        for name, command in store.commands.items()
        if command.calls and store.parameters["latency-tracking"]
    }


def errorstats(store: Any) -> dict[str, Any]:
    """A line for each code of error replies."""
    return {
        f"errorstat_{code}": f"count={n}" for code, n in sorted(store.error_counts.items())
    }


def cluster(store: Any) -> dict[str, Any]:
    """Whether it is a node of one."""
    return {"cluster_enabled": int(store.router is not None)}


def keyspace(store: Any) -> dict[str, Any]:
    """A line for each database that is not empty."""
    return {
        f"db{db.index}": f"keys={len(db)},expires={len(db.expires)},avg_ttl=0"
        for db in store.keyspace.databases
        if len(db)
    }


SECTIONS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "Server": server,
    "Clients": clients,
    "Memory": memory,
    "Persistence": persistence,
    "Stats": stats,
    "Replication": replication,
    "CPU": cpu,
    "Commandstats": commandstats,
    "Errorstats": errorstats,
    "Latencystats": latencystats,
    "Cluster": cluster,
    "Keyspace": keyspace,
}
NOT_BY_DEFAULT = {"Commandstats", "Latencystats"}


@command("info")
def info(client, words):
    """INFO [section ...]"""
    wanted = {word.decode("latin-1").lower() for word in words[1:]} or {"default"}
    if wanted & {"all", "everything"}:
        chosen = set(SECTIONS)
    else:
        chosen = {name for name in SECTIONS if name.lower() in wanted}
        if "default" in wanted:
            chosen |= set(SECTIONS) - NOT_BY_DEFAULT
    parts = []
    for name, section in SECTIONS.items():
        if name in chosen:
            facts = section(client.store)
            parts.append(f"# {name}\r\n" + "".join(f"{k}:{v}\r\n" for k, v in facts.items()))
    return Verbatim("\r\n".join(parts))
