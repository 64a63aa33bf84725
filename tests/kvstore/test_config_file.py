"""A configuration file that was rewritten is read back, by us and by a real redis-server."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
import redis

from bedrock.testing import peers
from tests.kvstore.compare import wait_until

VALUES = {
    "save": "100 1 200 2", "notify-keyspace-events": "AKE", "shutdown-on-sigterm": "nosave now",
    "client-output-buffer-limit":
        "normal 0 0 0 slave 400000000 50000000 6 pubsub 70000000 8000000 9",
    "maxmemory": "123456789", "proc-title-template": "x {title}", "masterauth": 'a b"c',
}  # fmt: skip


@contextmanager
def served(file, *program):
    """A client of a server that a file configures, on a unix socket."""
    with subprocess.Popen([*program, str(file)], stdout=subprocess.DEVNULL) as process:
        client = redis.Redis(unix_socket_path=str(file.with_name("socket")))

        def answers():
            assert process.poll() is None, "it could not read the file"
            try:
                return client.ping()
            except redis.RedisError:
                return False

        try:
            wait_until(answers)
            yield client
        finally:
            client.close()
            process.terminate()


@pytest.mark.peer
def test_all_that_is_written_is_read_back(tmp_path):
    try:
        theirs = peers.find("redis-server")
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    file = tmp_path / "redis.conf"
    # Port 0 is no port to redis-server, and a free one to us.
    file.write_text(f"# mine\nport 0\nunixsocket {tmp_path}/socket\ndir {tmp_path}\n"
                    "enable-debug-command yes\nsave 60 1\n")
    ours = sys.executable, "-m", "kvstore.redis_server"
    with served(file, *ours) as client:
        client.config_set(*[word for pair in VALUES.items() for word in pair])
        before = client.config_get("*")
        client.execute_command("CONFIG", "REWRITE")
    with served(file, *ours) as client:
        assert client.config_get("*") | {"port": 0} == before | {"port": 0}
        assert client.execute_command("DEBUG", "CONFIG-REWRITE-FORCE-ALL") in (b"OK", "OK", True)
    assert file.read_text().startswith("# mine\n")
    with served(file, *ours) as client:
        assert client.config_get("*") | {"port": 0} == before | {"port": 0}
    with served(file, theirs) as client:
        found = client.config_get("*")
        assert {name: found[name] for name in VALUES} == {name: before[name] for name in VALUES}
