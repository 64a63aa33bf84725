"""WebHDFS on the NameNode: each operation is a row that leads to a handler of ClientProtocol.

    GET /webhdfs/v1/<path>?op=LISTSTATUS&user.name=ada  ─► get_listing ─► {"FileStatuses": ...}
    PUT ...?op=CREATE  ─► 307 to a DataNode (or 200 {"Location": ...} with noredirect=true)

File data never passes through here: OPEN, CREATE, APPEND and GETFILECHECKSUM are redirected to a
DataNode, whose address is the one it registered with, never one that a request's Host names.

Left out: delegation tokens, snapshots, storage and erasure policies, quotas, trash roots.
Spec: hadoop-hdfs, WebHDFS REST API.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bedrock.lazy import lazy
from bedrock.net.http import Request, Response, Route
from bedrock.world import DiskFull
from hdfs_sim import paths
from hdfs_sim.client_protocol import UNSET_TIME, ClientProtocol
from hdfs_sim.datanodes import Datanode
from hdfs_sim.errors import FileNotFound, HdfsError, IllegalArgument
from hdfs_sim.messages.types import DIRECTORY, NO_QUOTA
from hdfs_sim.namenode import NameNode
from hdfs_sim.tree import File
from hdfs_sim.views import readable_nodes
from hdfs_sim.webhdfs_ops import (
    PREFIX,
    Query,
    WebHdfsRouter,
    json_response,
    path_of,
    remote_exception,
    unknown_op,
)

urls = lazy("urllib.parse")

ACL_SCOPES = ("", "default:")
ACL_TYPES = ("user", "group", "mask", "other")


@dataclass(frozen=True)
class Caller:
    """Who asks, as ClientProtocol's handlers want it."""

    user: str
    host: str


@dataclass(frozen=True)
class Row:
    """An operation: a ClientProtocol handler, its request from the query, its answer as JSON."""

    handler: str
    request: Callable[[str, Query], dict[str, Any]]
    answer: Callable[[dict[str, Any]], Any]


def namenode_router(namenode: NameNode, protocol: ClientProtocol) -> WebHdfsRouter:
    """The routes of the NameNode."""
    web = WebHdfs(namenode, protocol)
    return WebHdfsRouter(
        Route(method, PREFIX + "/{path:path}", web.serve)
        for method in ("GET", "PUT", "POST", "DELETE"))


# ---------------------------------------------------------------------- shapes

def status_json(status: dict[str, Any]) -> dict[str, Any]:
    """FileStatus."""
    return {
        "accessTime": status["access_time"],
        "blockSize": status["blocksize"],
        "childrenNum": status["childrenNum"],
        "fileId": status["fileId"],
        "group": status["group"],
        "length": status["length"],
        "modificationTime": status["modification_time"],
        "owner": status["owner"],
        "pathSuffix": status["path"].decode(),
        "permission": format(status["permission"]["perm"], "o"),
        "replication": status["block_replication"],
        "storagePolicy": 0,
        "type": "DIRECTORY" if status["fileType"] == DIRECTORY else "FILE",
    }


def _status(answer: dict[str, Any]) -> Any:
    if answer["fs"] is None:
        raise FileNotFound("File does not exist")
    return {"FileStatus": status_json(answer["fs"])}


def _statuses(answer: dict[str, Any]) -> Any:
    return {"FileStatuses": {"FileStatus": [
        status_json(one) for one in answer["dirList"]["partialListing"]]}}


def _batch(answer: dict[str, Any]) -> Any:
    return {"DirectoryListing": {"partialListing": _statuses(answer),
                                 "remainingEntries": answer["dirList"]["remainingEntries"]}}


def _summary(answer: dict[str, Any]) -> Any:
    summary = answer["summary"]
    quotas = {k: -1 if summary[k] == NO_QUOTA else summary[k] for k in ("quota", "spaceQuota")}
    return {"ContentSummary": {**summary, **quotas, "ecPolicy": "", "typeQuota": {}}}


def _boolean(answer: dict[str, Any] | None) -> Any:
    return {"boolean": bool(answer and answer["result"])}


def _acl(answer: dict[str, Any]) -> Any:
    status = answer["result"]
    entries = [
        f"{ACL_SCOPES[e['scope']]}{ACL_TYPES[e['type']]}:{e['name'] or ''}:"
        + letters(e["permissions"])
        for e in status["entries"]]
    return {"AclStatus": {
        "entries": entries, "owner": status["owner"], "group": status["group"],
        "permission": format(status["permission"]["perm"], "o"),
        "stickyBit": status["sticky"]}}


def letters(permissions: int) -> str:
    """rwx of three bits."""
    return "".join(c if permissions & bit else "-" for c, bit in (("r", 4), ("w", 2), ("x", 1)))


def _stats(answer: dict[str, Any]) -> Any:
    return {"FsStatus": {k: answer[k] for k in ("capacity", "used", "remaining")}}


def _defaults(answer: dict[str, Any]) -> Any:
    return {"FsServerDefaults": {**answer["serverDefaults"], "encryptDataTransfer": False}}


def _locations(answer: dict[str, Any]) -> Any:
    found = [
        {"hosts": [n["id"]["hostName"] for n in block["locs"]],
         "names": [f"{n['id']['ipAddr']}:{n['id']['xferPort']}" for n in block["locs"]],
         "topologyPaths": [f"{n['location']}/{n['id']['ipAddr']}:{n['id']['xferPort']}"
                           for n in block["locs"]],
         "cachedHosts": [], "storageTypes": ["DISK"] * len(block["locs"]),
         "offset": block["offset"], "length": block["b"]["numBytes"],
         "corrupt": block["corrupt"]}
        for block in answer["locations"]["blocks"]]
    return {"BlockLocations": {"BlockLocation": found}}


def _nothing(answer: Any) -> None:
    return None


def _src(path: str, query: Query) -> dict[str, Any]:
    return {"src": path}


def _listing(path: str, query: Query) -> dict[str, Any]:
    return {"src": path, "startAfter": query.text("startAfter", "").encode(),
            "needLocation": False}


def _perm(value: int) -> dict[str, Any]:
    return {"perm": value}


def _time(query: Query, name: str) -> int:
    value = query.number(name, -1, -1)
    return UNSET_TIME if value == -1 else value


OPERATIONS: dict[tuple[str, str], Row] = {
    ("GET", "GETFILESTATUS"): Row("get_file_info", _src, _status),
    ("GET", "LISTSTATUS_BATCH"): Row("get_listing", _listing, _batch),
    ("GET", "GETCONTENTSUMMARY"): Row(
        "get_content_summary", lambda p, q: {"path": p}, _summary),
    ("GET", "GETACLSTATUS"): Row("get_acl_status", _src, _acl),
    ("GET", "GETSTATUS"): Row("get_fs_stats", _src, _stats),
    ("GET", "GETSERVERDEFAULTS"): Row("get_server_defaults", _src, _defaults),
    ("GET", "GETFILEBLOCKLOCATIONS"): Row(
        "get_block_locations",
        lambda p, q: {"src": p, "offset": q.number("offset", 0),
                      "length": q.number("length", (1 << 63) - 1)}, _locations),
    ("PUT", "MKDIRS"): Row(
        "mkdirs", lambda p, q: {"src": p, "masked": _perm(q.octal("permission", 0o755)),
                                "createParent": True}, _boolean),
    ("PUT", "RENAME"): Row(
        "rename", lambda p, q: {"src": p, "dst": q.text("destination")}, _boolean),
    ("PUT", "SETPERMISSION"): Row(
        "set_permission",
        lambda p, q: {"src": p, "permission": _perm(q.octal("permission", 0o755))}, _nothing),
    ("PUT", "SETOWNER"): Row(
        "set_owner", lambda p, q: {"src": p, "username": q.text("owner", ""),
                                   "groupname": q.text("group", "")}, _nothing),
    ("PUT", "SETREPLICATION"): Row(
        "set_replication",
        lambda p, q: {"src": p, "replication": q.number("replication", 3, 1, 512)}, _boolean),
    ("PUT", "SETTIMES"): Row(
        "set_times", lambda p, q: {"src": p, "mtime": _time(q, "modificationtime"),
                                   "atime": _time(q, "accesstime")}, _nothing),
    ("POST", "CONCAT"): Row(
        "concat", lambda p, q: {"trg": p, "srcs": q.text("sources").split(",")}, _nothing),
    ("DELETE", "DELETE"): Row(
        "delete", lambda p, q: {"src": p, "recursive": q.flag("recursive", False)}, _boolean),
}


# ---------------------------------------------------------------------- the NameNode's half

class WebHdfs:
    """The handlers; `protocol` does the work."""

    def __init__(self, namenode: NameNode, protocol: ClientProtocol):
        self.namenode = namenode
        self.protocol = protocol
        self.special = {
            ("GET", "LISTSTATUS"): self.list_status,
            ("GET", "GETHOMEDIRECTORY"): self.home,
            ("GET", "CHECKACCESS"): self.check_access,
            ("GET", "OPEN"): self.redirect_to_reader,
            ("GET", "GETFILECHECKSUM"): self.redirect_to_reader,
            ("PUT", "CREATE"): self.redirect_to_writer,
            ("POST", "APPEND"): self.redirect_to_writer,
        }

    async def serve(self, request: Request) -> Response:
        """Find the operation and answer with what it says or with what went wrong."""
        try:
            query = Query(request)
            method = "GET" if request.method == "HEAD" else request.method
            peer = request.peer
            caller = Caller(query.user, peer[0] if isinstance(peer, tuple) else "127.0.0.1")
            path = paths.join(paths.split(path_of(request)))
            special = self.special.get((method, query.op))
            if special is not None:
                return special(path, query, caller)
            row = OPERATIONS.get((method, query.op))
            if row is None:
                raise unknown_op(method, query.op)
            answer = getattr(self.protocol, row.handler)(caller, row.request(path, query))
            if inspect.isawaitable(answer):
                answer = await answer
            value = row.answer(answer)
            return Response(b"", content_type="") if value is None else json_response(value)
        except FileNotFound as exc:
            return remote_exception(
                exc if path_in(str(exc)) else FileNotFound(f"File does not exist: {path}"))
        except (HdfsError, DiskFull) as exc:
            return remote_exception(exc)

    def list_status(self, path: str, query: Query, caller: Caller) -> Response:
        """All children at once, however many there are."""
        node = self.namenode.namesystem.tree.need(path)
        after, found = b"", []
        while True:
            listing = self.protocol.get_listing(
                caller, {"src": path, "startAfter": after, "needLocation": False})["dirList"]
            found += listing["partialListing"]
            if not listing["remainingEntries"] or not node.is_directory:
                return json_response(_statuses({"dirList": {"partialListing": found}}))
            after = found[-1]["path"]

    def home(self, path: str, query: Query, caller: Caller) -> Response:
        """Where a user's own files go."""
        return json_response({"Path": f"/user/{caller.user}"})

    def check_access(self, path: str, query: Query, caller: Caller) -> Response:
        """Whoever asks may, if it is there: permissions are kept, not enforced."""
        self.namenode.namesystem.tree.need(path)
        return Response(b"", content_type="")

    def redirect_to_reader(self, path: str, query: Query, caller: Caller) -> Response:
        """To a DataNode that has the first block wanted."""
        file = self.namenode.namesystem.tree.need_file(path)
        offset = query.number("offset", 0)
        if offset > file.length or (offset == file.length and offset):
            raise IllegalArgument(
                f"Offset={offset} out of the range [0, {file.length}); {query.op}, path={path}")
        return self._redirect(path, query, self._holder(file, offset, caller) or self._any())

    def _holder(self, file: File, offset: int, caller: Caller) -> Datanode | None:
        start = 0
        for block in file.blocks:
            if start <= offset < start + block.length:
                nodes = readable_nodes(block, caller.host, self.namenode.world.rand)
                return nodes[0] if nodes else None
            start += block.length
        return None

    def redirect_to_writer(self, path: str, query: Query, caller: Caller) -> Response:
        """To a DataNode that will write for the client; what can be refused now is."""
        self.namenode.need_writable(f"write to {path}")
        if query.op == "APPEND":
            self.namenode.namesystem.tree.need_file(path)
        return self._redirect(path, query, self._any())

    def _any(self) -> Datanode:
        live = [node for node in self.namenode.nodes.live() if not node.suspect]
        if not live:
            raise HdfsError("Failed to find datanode, suggest to check cluster health.")
        return self.namenode.world.rand.choice(live)

    def _redirect(self, path: str, query: Query, node: Datanode) -> Response:
        values = {k: v for k, v in query.values.items() if k not in ("noredirect", "host")}
        values["namenoderpcaddress"] = self.namenode.config.host
        host = f"[{node.ip}]" if ":" in node.ip else node.ip
        location = f"http://{host}:{node.info_port}{PREFIX}{urls.quote(path)}?{urls.urlencode(values)}"
        if query.flag("noredirect", False):
            return json_response({"Location": location})
        return Response(b"", 307, "", {"Location": location})


def path_in(message: str) -> bool:
    """The message says which path is meant."""
    return "/" in message
