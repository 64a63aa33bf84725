"""Real clients, unmodified, against a whole cluster in this process."""

from __future__ import annotations

import os

import pytest
import requests

import bedrock


@pytest.fixture(scope="module")
def server():
    with bedrock.run("hdfs_sim") as running:
        yield running


@pytest.fixture
def web(server):
    return f"http://127.0.0.1:{server.ports['http_port']}/webhdfs/v1"


DATA = os.urandom(3_333_333)


def test_hdfs_native_writes_appends_reads_and_moves(server):
    native = pytest.importorskip("hdfs_native")
    client = native.Client(server.url)
    client.mkdirs("/native/dir", 0o750, True)
    with client.create("/native/file", native.WriteOptions(block_size=1 << 20)) as file:
        file.write(DATA)
    for more in (b"x" * 700, b"y" * 513):
        with client.append("/native/file") as file:
            file.write(more)
    with client.read("/native/file") as file:
        assert bytes(file.read()) == DATA + b"x" * 700 + b"y" * 513
        file.seek(1_048_000)
        assert file.read(2000) == DATA[1_048_000:1_050_000]
    client.rename("/native/file", "/native/dir/moved", False)
    paths = {status.path for status in client.list_status("/native", True)}
    assert paths == {"/native/dir", "/native/dir/moved"}
    assert client.get_content_summary("/native").length == len(DATA) + 1213
    with pytest.raises(FileNotFoundError):
        client.get_file_info("/native/file")
    with pytest.raises(Exception, match="already exists"):
        client.create("/native/dir/moved")
    assert client.delete("/native", True)


def test_hdfs_native_sees_acls_and_attributes(server):
    native = pytest.importorskip("hdfs_native")
    client = native.Client(server.url)
    client.mkdirs("/acl", 0o755, True)
    client.modify_acl_entries("/acl", [native.AclEntry("user", "default", "rwx", "ada")])
    assert len(client.get_acl_status("/acl").entries) == 5
    client.remove_default_acl("/acl")
    assert len(client.get_acl_status("/acl").entries) == 0
    client.set_times("/acl", 1_717_641_455, 1_717_641_456)
    client.set_owner("/acl", "ada", "staff")
    status = client.get_file_info("/acl")
    assert (status.owner, status.group, status.modification_time) == (
        "ada", "staff", 1_717_641_455)


def test_fsspec_webhdfs_writes_reads_and_lists(server):
    fsspec = pytest.importorskip("fsspec")
    fs = fsspec.filesystem(
        "webhdfs", host="127.0.0.1", port=server.ports["http_port"], user="ada")
    fs.mkdir("/spec")
    fs.pipe("/spec/file", DATA)
    assert fs.ls("/spec") == ["/spec/file"]
    assert fs.cat("/spec/file") == DATA
    assert fs.cat("/spec/file", start=1_000_000, end=1_500_000) == DATA[1_000_000:1_500_000]
    assert fs.ukey("/spec/file")["algorithm"].startswith("MD5-of-")
    fs.mv("/spec/file", "/spec/other")
    assert fs.info("/spec/other")["owner"] == "ada"
    fs.rm("/spec", recursive=True)
    with pytest.raises(FileNotFoundError):
        fs.info("/spec")


def test_insecure_client_of_hdfs_does_its_everyday_work(server):
    hdfs = pytest.importorskip("hdfs")
    client = hdfs.InsecureClient(f"http://127.0.0.1:{server.ports['http_port']}", user="bob")
    client.write("/bob/file", b"hello " * 1000, overwrite=True)
    client.write("/bob/file", b"more", append=True)
    with client.read("/bob/file", offset=5998) as reader:
        assert reader.read() == b"o more"
    assert client.status("/bob/file")["length"] == 6004
    client.set_permission("/bob/file", permission="600")
    client.set_replication("/bob/file", replication=2)
    assert client.content("/bob")["fileCount"] == 1
    client.rename("/bob/file", "/bob/renamed")
    assert client.list("/bob") == ["renamed"]
    assert client.delete("/bob", recursive=True)
    assert client.status("/bob", strict=False) is None


@pytest.mark.parametrize(("method", "query", "status", "exception"), [
    ("GET", "/nowhere?op=GETFILESTATUS", 404, "FileNotFoundException"),
    ("GET", "/nowhere?op=LISTSTATUS", 404, "FileNotFoundException"),
    ("GET", "/?op=NONSENSE", 400, "UnsupportedOperationException"),
    ("GET", "/a/%2e%2e/b?op=GETFILESTATUS", 400, "InvalidPathException"),
    ("GET", "/?op=LISTSTATUS&user.name=..%2Fetc", 400, "HadoopIllegalArgumentException"),
    ("PUT", "/x?op=MKDIRS&permission=9999", 400, "HadoopIllegalArgumentException"),
    ("GET", "/x?op=OPEN&offset=-1", 404, "FileNotFoundException"),
    ("PUT", "/x?op=SETREPLICATION&replication=99999999999999999999", 400,
     "HadoopIllegalArgumentException"),
])
def test_webhdfs_answers_errors_as_remote_exceptions(web, method, query, status, exception):
    reply = requests.request(method, web + query, timeout=10)
    assert reply.status_code == status
    assert reply.json()["RemoteException"]["exception"] == exception


def test_a_redirect_leads_to_the_datanode_whatever_host_was_asked(web, server):
    reply = requests.put(web + "/host?op=CREATE", allow_redirects=False, timeout=10,
                         headers={"Host": "evil.example"})
    assert reply.status_code == 307
    assert reply.headers["Location"].startswith("http://127.0.0.1:")
    asked = requests.put(web + "/host?op=CREATE&noredirect=true", timeout=10)
    assert asked.json()["Location"].startswith("http://127.0.0.1:")
