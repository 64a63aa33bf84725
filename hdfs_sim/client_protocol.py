"""ClientProtocol, served: one small handler for each method of messages/client.py.

A handler gets the caller (`user`, `host`) and the request as a dict, and returns the response as
one.  WebHDFS calls the same handlers, so that both doors lead into the same house.
"""

from __future__ import annotations

from typing import Any

from hdfs_sim import acl
from hdfs_sim.errors import FileNotFound, HdfsError
from hdfs_sim.messages import types
from hdfs_sim.namenode import NameNode
from hdfs_sim.tree import Block, Directory, File, INode
from hdfs_sim.views import (
    datanode_info,
    file_status,
    located_block,
    located_blocks,
)

Request = dict[str, Any]

LISTING_PAGE = 1000
BLOCK_SIZE_MIN = 512
BYTES_PER_CHECKSUM = 512
WRITE_PACKET_SIZE = 64 << 10
FILE_BUFFER_SIZE = 4096
UNSET_TIME = (1 << 64) - 1

# setXAttr.flag, and how many and how large they may be
XATTR_CREATE, XATTR_REPLACE = 1, 2
XATTRS_MAX = 32
XATTR_BYTES_MAX = 16 << 10

# setSafeMode.action
LEAVE, ENTER, GET, FORCE_EXIT = 1, 2, 3, 4
# getDatanodeReport.type
ALL, LIVE, DEAD = 1, 2, 3


class ClientProtocol:
    """The handlers over one NameNode."""

    def __init__(self, namenode: NameNode):
        self.namenode = namenode
        self.namesystem = namenode.namesystem
        self.tree = namenode.namesystem.tree
        self.writing = namenode.writing

    # ------------------------------------------------------------------ looking

    def get_file_info(self, caller: Any, request: Request) -> Request:
        node = self.tree.find(request["src"])
        return {"fs": file_status(node, "") if node is not None else None}

    def get_file_link_info(self, caller: Any, request: Request) -> Request:
        return self.get_file_info(caller, request)

    def get_located_file_info(self, caller: Any, request: Request) -> Request:
        node = self.tree.find(request["src"] or "/")
        if node is None:
            return {}
        status = file_status(node, "")
        if isinstance(node, File):
            status["locations"] = self._located(node, 0, node.length, caller)
        return {"fs": status}

    def _located(self, file: File, offset: int, length: int, caller: Any) -> Request:
        rand = self.namenode.world.rand
        return located_blocks(self.namenode.pool, file, offset, length, caller.host, rand)

    def get_listing(self, caller: Any, request: Request) -> Request:
        node = self.tree.find(request["src"])
        if node is None:
            return {}
        if isinstance(node, Directory):
            after = request["startAfter"].decode("utf-8", "replace")
            page, left = node.page(after, LISTING_PAGE)
            statuses = [file_status(child, child.name) for child in page]
        else:
            page, left, statuses = [node], 0, [file_status(node, "")]
        if request["needLocation"]:
            for child, status in zip(page, statuses, strict=True):
                if isinstance(child, File):
                    status["locations"] = self._located(child, 0, child.length, caller)
        return {"dirList": {"partialListing": statuses, "remainingEntries": left}}

    def get_block_locations(self, caller: Any, request: Request) -> Request:
        file = self.tree.need_file(request["src"])
        return {"locations": self._located(file, request["offset"], request["length"], caller)}

    def get_content_summary(self, caller: Any, request: Request) -> Request:
        summary = self.tree.summary(self.tree.need(request["path"]))
        return {"summary": {**summary, "quota": types.NO_QUOTA, "spaceQuota": types.NO_QUOTA}}

    def get_preferred_block_size(self, caller: Any, request: Request) -> Request:
        return {"bsize": self.tree.need_file(request["filename"]).block_size}

    def is_file_closed(self, caller: Any, request: Request) -> Request:
        return {"result": self.tree.need_file(request["src"]).client is None}

    # ------------------------------------------------------------------ the tree

    def mkdirs(self, caller: Any, request: Request) -> Request:
        self.namenode.need_writable(f"create directory {request['src']}")
        self.namesystem.mkdirs(
            request["src"], mode=_mode(request, 0o755), owner=self._owner(caller),
            parents=request["createParent"])
        return {"result": True}

    def _owner(self, caller: Any) -> str:
        return caller.user or self.namenode.superuser

    def rename(self, caller: Any, request: Request) -> Request:
        self.namenode.need_writable(f"rename {request['src']}")
        return {"result": self.namesystem.rename(request["src"], request["dst"])}

    def rename2(self, caller: Any, request: Request) -> None:
        self.namenode.need_writable(f"rename {request['src']}")
        self.namesystem.rename2(
            request["src"], request["dst"], overwrite=request["overwriteDest"])

    def delete(self, caller: Any, request: Request) -> Request:
        self.namenode.need_writable(f"delete {request['src']}")
        return {"result": self.namesystem.delete(
            request["src"], recursive=request["recursive"])}

    def concat(self, caller: Any, request: Request) -> None:
        self.namenode.need_writable(f"concat {request['trg']}")
        target = self.tree.need_file(request["trg"])
        sources = [self.tree.need_file(path) for path in request["srcs"]]
        self.namesystem.check_concat(target, sources)
        self.namesystem.concat(target, sources)

    # ------------------------------------------------------------------ attributes

    def _writable_node(self, what: str, path: str) -> INode:
        self.namenode.need_writable(f"{what} {path}")
        return self.tree.need(path)

    def set_permission(self, caller: Any, request: Request) -> None:
        node = self._writable_node("set permission for", request["src"])
        self.namesystem.set(node, mode=request["permission"]["perm"] & 0o1777)

    def set_owner(self, caller: Any, request: Request) -> None:
        node = self._writable_node("set owner for", request["src"])
        values = {"owner": request["username"], "group": request["groupname"]}
        self.namesystem.set(node, **{k: v for k, v in values.items() if v})

    def set_replication(self, caller: Any, request: Request) -> Request:
        self.namenode.need_writable(f"set replication for {request['src']}")
        node = self.tree.find(request["src"])
        if node is None:
            raise FileNotFound(f"File does not exist: {request['src']}")
        if not isinstance(node, File):
            return {"result": False}
        if not 1 <= request["replication"] <= 512:
            raise HdfsError(f"Requested replication factor of {request['replication']} is out of "
                            f"range for {request['src']}")
        self.namesystem.set(node, replication=request["replication"])
        for block in node.blocks:
            self.namenode.blocks.check(block)
        return {"result": True}

    def set_times(self, caller: Any, request: Request) -> None:
        node = self._writable_node("set times", request["src"])
        times = {"mtime": request["mtime"], "atime": request["atime"]}
        self.namesystem.set(node, **{k: v for k, v in times.items() if v != UNSET_TIME})

    def _change_acl(self, request: Request, change: Any) -> None:
        node = self._writable_node("change the ACL of", request["src"])
        spec = request.get("aclSpec")
        rest = () if spec is None else (
            [(e["scope"], e["type"], e["name"] or "", e["permissions"]) for e in spec],
            node.is_directory)
        mode, entries = change(node.mode, node.acl, *rest)
        self.namesystem.set(node, mode=mode, acl=entries)

    def modify_acl_entries(self, caller: Any, request: Request) -> None:
        self._change_acl(request, acl.modify)

    def remove_acl_entries(self, caller: Any, request: Request) -> None:
        self._change_acl(request, acl.remove)

    def set_acl(self, caller: Any, request: Request) -> None:
        self._change_acl(request, acl.replace)

    def remove_default_acl(self, caller: Any, request: Request) -> None:
        self._change_acl(request, acl.remove_default)

    def remove_acl(self, caller: Any, request: Request) -> None:
        self._change_acl(request, acl.remove_all)

    def get_acl_status(self, caller: Any, request: Request) -> Request:
        node = self.tree.need(request["src"])
        return {"result": {
            "owner": node.owner, "group": node.group, "sticky": bool(node.mode & 0o1000),
            "entries": [{"scope": scope, "type": type, "permissions": permissions,
                         "name": name or None}
                        for scope, type, name, permissions in node.acl or ()],
            "permission": {"perm": node.mode}}}

    def set_x_attr(self, caller: Any, request: Request) -> None:
        node = self._writable_node("set xattr on", request["src"])
        key, value = _xattr(request["xAttr"])
        xattrs = node.xattrs or {}
        exists, flag = key in xattrs, request["flag"]
        if flag and not flag & (XATTR_REPLACE if exists else XATTR_CREATE):
            raise HdfsError(f"XAttr: {key[1]} {'already exists' if exists else 'does not exist'}. "
                            "The flag does not allow that.")
        if (not exists and len(xattrs) >= XATTRS_MAX) or len(value) > XATTR_BYTES_MAX:
            raise HdfsError("too many extended attributes, or too large a one")
        self._set_xattrs(node, {**xattrs, key: value})

    def remove_x_attr(self, caller: Any, request: Request) -> None:
        node = self._writable_node("remove xattr from", request["src"])
        key, _ = _xattr(request["xAttr"])
        if key not in (node.xattrs or {}):
            raise HdfsError(f"No matching attributes found for remove operation: {key[1]}")
        assert node.xattrs is not None
        self._set_xattrs(node, {k: v for k, v in node.xattrs.items() if k != key})

    def _set_xattrs(self, node: INode, xattrs: dict[tuple[int, str], bytes]) -> None:
        self.namesystem.set(node, xattrs=[[*k, v] for k, v in sorted(xattrs.items())] or None)

    def get_x_attrs(self, caller: Any, request: Request) -> Request:
        xattrs = self.tree.need(request["src"]).xattrs or {}
        wanted = [_xattr(one)[0] for one in request["xAttrs"]] or list(xattrs)
        if any(key not in xattrs for key in wanted):
            raise HdfsError("At least one of the attributes provided was not found.")
        return {"xAttrs": [{"namespace": space, "name": name, "value": xattrs[space, name]}
                           for space, name in wanted]}

    def list_x_attrs(self, caller: Any, request: Request) -> Request:
        xattrs = self.tree.need(request["src"]).xattrs or {}
        return {"xAttrs": [{"namespace": space, "name": name} for space, name in xattrs]}

    # ------------------------------------------------------------------ writing

    def create(self, caller: Any, request: Request) -> Request:
        path, flag = request["src"], request["createFlag"]
        self.namenode.need_writable(f"create file {path}")
        if not BLOCK_SIZE_MIN <= request["blockSize"] <= 1 << 50 or (
                request["blockSize"] % BYTES_PER_CHECKSUM):
            raise HdfsError(f"Specified block size {request['blockSize']} is less than the "
                            f"minimum or no multiple of {BYTES_PER_CHECKSUM}")
        if request["ecPolicyName"]:
            raise HdfsError("erasure coding is not supported")
        file = self.writing.create(
            path, overwrite=bool(flag & types.OVERWRITE), client=request["clientName"],
            mode=_mode(request, 0o644), owner=self._owner(caller),
            replication=request["replication"], block_size=request["blockSize"],
            parents=request["createParent"])
        return {"fs": file_status(file, "")}

    def append(self, caller: Any, request: Request) -> Request:
        self.namenode.need_writable(f"append to file {request['src']}")
        file = self.writing.append(request["src"], request["clientName"])
        response: Request = {"stat": file_status(file, "")}
        if file.blocks and not request["flag"] & types.NEW_BLOCK:
            last = file.blocks[-1]
            if not last.complete:
                response["block"] = self._one(last, file.length - last.length)
        return response

    def _one(self, block: Block, offset: int) -> Request:
        return located_block(self.namenode.pool, block, offset, block.pipeline)

    def add_block(self, caller: Any, request: Request) -> Request:
        self.namenode.need_writable(f"add block to {request['src']}")
        file = self.writing.writer_of(request["src"], request["clientName"], request["fileId"])
        block = self.writing.add_block(
            file, request["previous"],
            {node["id"]["datanodeUuid"] for node in request["excludeNodes"]}, caller.host)
        self.namenode.leases.renew(request["clientName"])
        return {"block": self._one(block, file.length)}

    def abandon_block(self, caller: Any, request: Request) -> None:
        self.namenode.need_writable(f"abandon block of {request['src']}")
        file = self.writing.writer_of(request["src"], request["holder"], request["fileId"])
        self.writing.abandon(file, request["b"]["blockId"])

    def get_additional_datanode(self, caller: Any, request: Request) -> Request:
        file = self.writing.writer_of(request["src"], request["clientName"], request["fileId"])
        block = self.writing.open_block(request["blk"]["blockId"], request["clientName"])
        nodes = self.writing.additional(
            file, block, [n["id"]["datanodeUuid"] for n in request["existings"]],
            [n["id"]["datanodeUuid"] for n in request["excludes"]],
            request["numAdditionalNodes"])
        located = located_block(self.namenode.pool, block, 0, nodes)
        located["b"] = request["blk"]
        return {"block": located}

    def update_block_for_pipeline(self, caller: Any, request: Request) -> Request:
        self.namenode.need_writable("get a new generation stamp")
        block = self.writing.open_block(request["block"]["blockId"], request["clientName"])
        located = self._one(block, 0)
        located["b"] = {**request["block"], "generationStamp": self.namesystem.next_gs()}
        return {"block": located}

    def update_pipeline(self, caller: Any, request: Request) -> None:
        self.namenode.need_writable("update a pipeline")
        block = self.writing.open_block(request["newBlock"]["blockId"], request["clientName"])
        self.writing.update_pipeline(
            block, request["newBlock"], [n["datanodeUuid"] for n in request["newNodes"]])

    async def complete(self, caller: Any, request: Request) -> Request:
        self.namenode.need_writable(f"complete file {request['src']}")
        path = request["src"]
        node = self.tree.by_id.get(request["fileId"]) if request["fileId"] else None
        if isinstance(node, File) and node.client is None and _is_last(node, request["last"]):
            return {"result": True}  # asked again: our first answer was lost
        file = self.writing.writer_of(path, request["clientName"], request["fileId"])
        return {"result": await self.writing.complete(file, path, request["last"])}

    def fsync(self, caller: Any, request: Request) -> None:
        self.namenode.need_writable(f"fsync file {request['src']}")
        file = self.writing.writer_of(request["src"], request["client"], request["fileId"])
        self.writing.fsync(file, request["lastBlockLength"])

    def renew_lease(self, caller: Any, request: Request) -> None:
        self.namenode.leases.renew(request["clientName"])

    def recover_lease(self, caller: Any, request: Request) -> Request:
        self.namenode.need_writable(f"recover the lease of {request['src']}")
        file = self.tree.need_file(request["src"])
        return {"result": file.client is None or self.writing.recover(file)}

    def report_bad_blocks(self, caller: Any, request: Request) -> None:
        blocks = self.namenode.blocks
        for located in request["blocks"]:
            block = self.namesystem.blocks.get(located["b"]["blockId"])
            for info in located["locs"]:
                node = self.namenode.nodes.by_uuid.get(info["id"]["datanodeUuid"])
                if block is not None and node is not None and node in block.locations:
                    blocks.mark_corrupt(node, block)

    # ------------------------------------------------------------------ the cluster

    def get_server_defaults(self, caller: Any, request: Request) -> Request:
        config = self.namenode.config
        return {"serverDefaults": {
            "blockSize": config.block_size,
            "bytesPerChecksum": BYTES_PER_CHECKSUM,
            "writePacketSize": WRITE_PACKET_SIZE,
            "replication": config.replication,
            "fileBufferSize": FILE_BUFFER_SIZE,
            "trashInterval": config.trash_interval_min,
            "checksumType": types.CHECKSUM_CRC32C,
        }}

    def get_fs_stats(self, caller: Any, request: Request) -> Request:
        return self.namenode.blocks.stats()

    def get_datanode_report(self, caller: Any, request: Request) -> Request:
        wanted = {ALL: (True, False), LIVE: (True,), DEAD: (False,)}.get(request["type"], ())
        return {"di": [datanode_info(n) for n in self.namenode.nodes if n.alive in wanted]}

    def set_safe_mode(self, caller: Any, request: Request) -> Request:
        blocks, action = self.namenode.blocks, request["action"]
        if action in (LEAVE, FORCE_EXIT) and blocks.safe_mode:
            blocks.leave_safe_mode()
        elif action == ENTER:
            blocks.enter_safe_mode()
        return {"result": blocks.safe_mode}

    def save_namespace(self, caller: Any, request: Request) -> Request:
        if not self.namenode.blocks.safe_mode:
            raise HdfsError("Safe mode should be turned ON in order to create namespace image.")
        self.namesystem.checkpoint()
        return {"saved": True}

    def msync(self, caller: Any, request: Request) -> None:
        """Nothing to wait for: there is no observer."""

    def get_h_a_service_state(self, caller: Any, request: Request) -> Request:
        return {"state": 1}

    def get_erasure_coding_policy(self, caller: Any, request: Request) -> None:
        self.tree.need(request["src"])

    def get_e_z_for_path(self, caller: Any, request: Request) -> None:
        self.tree.need(request["src"])


def _mode(request: Request, default: int) -> int:
    """The permission a client asks for: his umask is already off in `masked`."""
    masked = request["masked"]
    return (masked["perm"] if masked is not None else default) & 0o1777


def _xattr(xattr: Request | None) -> tuple[tuple[int, str], bytes]:
    if xattr is None:
        raise HdfsError("no extended attribute given")
    return (xattr["namespace"], xattr["name"]), xattr["value"] or b""


def _is_last(file: File, last: Request | None) -> bool:
    if last is None or not file.blocks:
        return not file.blocks
    return file.blocks[-1].id == last["blockId"]


