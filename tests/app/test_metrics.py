"""/metrics, /healthz and /readyz."""

import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

import bedrock


@pytest.fixture
def server():
    with bedrock.run("echo", metrics_port=0) as running:
        yield running


def get(server, path):
    return urllib.request.urlopen(f"http://127.0.0.1:{server.ports['metrics_port']}{path}")


def samples(server):
    with get(server, "/metrics") as reply:
        assert reply.headers["Content-Type"].startswith("text/plain; version=")
        text = reply.read().decode()
    return {s.name: s.value for f in text_string_to_metric_families(text) for s in f.samples}


def test_metrics_count_the_servers_traffic_and_not_the_scrapes(server):
    assert samples(server)["bedrock_echo_connections_accepted_total"] == 0
    with socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(b"hello\n")
        connection.recv(10)
        now = samples(server)
    assert now["bedrock_echo_connections_accepted_total"] == 1
    assert now["bedrock_echo_connections"] == 1
    assert now["bedrock_echo_in_bytes_total"] == now["bedrock_echo_out_bytes_total"] == 6
    assert now["bedrock_echo_requests_total"] == 1
    assert now["process_resident_memory_bytes"] > 1e6


def test_health_and_readiness(server):
    assert get(server, "/healthz").read() == b"ok\n"
    assert get(server, "/readyz").read() == b"ready\n"
    server.server.ready = False
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(server, "/readyz")
    assert caught.value.code == 503


def test_other_paths_are_not_found(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(server, "/")
    assert caught.value.code == 404


def test_a_server_with_a_password_shows_its_numbers_to_this_machine_only(tmp_path):
    (tmp_path / "word").write_text("sesame")
    options = {"host": "0.0.0.0", "password_file": str(tmp_path / "word"), "metrics_port": 0}
    with bedrock.run("echo", **options) as running:
        assert get(running, "/healthz").status == 200
        port = running.ports["metrics_port"]
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.2", port), timeout=2)
        socket.create_connection(("127.0.0.2", running.port), timeout=2).close()
