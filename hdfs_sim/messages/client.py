"""ClientProtocol: what a file system client asks a NameNode (ClientNamenodeProtocol.proto).

Left out, and answered with RpcNoSuchMethodException: snapshots, erasure coding, encryption zones,
cache directives, storage policies, delegation tokens, rolling upgrade, rename of snapshots.
"""

from hdfs_sim.messages.table import method, protocol

_FILE = "1! src string"
_WRITER = "1! src string, 2! clientName string"

CLIENT = protocol(
    "org.apache.hadoop.hdfs.protocol.ClientProtocol",
    # Looking
    method("getFileInfo", _FILE, "1 fs HdfsFileStatus"),
    method("getFileLinkInfo", _FILE, "1 fs HdfsFileStatus"),
    method("getLocatedFileInfo", "1 src string, 2 needBlockToken bool = false",
           "1 fs HdfsFileStatus"),
    method("getListing", "1! src string, 2! startAfter bytes, 3! needLocation bool",
           "1 dirList DirectoryListing"),
    method("getBlockLocations", "1! src string, 2! offset uint64, 3! length uint64",
           "1 locations LocatedBlocks"),
    method("getContentSummary", "1! path string", "1! summary ContentSummary"),
    method("getPreferredBlockSize", "1! filename string", "1! bsize uint64"),
    method("isFileClosed", _FILE, "1! result bool"),
    # The tree
    method("mkdirs",
           "1! src string, 2! masked FsPermission, 3! createParent bool, 4 unmasked FsPermission",
           "1! result bool"),
    method("rename", "1! src string, 2! dst string", "1! result bool"),
    method("rename2",
           "1! src string, 2! dst string, 3! overwriteDest bool, 4 moveToTrash bool = false", ""),
    method("delete", "1! src string, 2! recursive bool", "1! result bool"),
    method("concat", "1! trg string, 2* srcs string", ""),
    # Attributes
    method("setPermission", "1! src string, 2! permission FsPermission", ""),
    method("setOwner", "1! src string, 2 username string, 3 groupname string", ""),
    method("setReplication", "1! src string, 2! replication uint32", "1! result bool"),
    method("setTimes", "1! src string, 2! mtime uint64, 3! atime uint64", ""),
    method("setXAttr", "1! src string, 2 xAttr XAttr, 3 flag uint32 = 0", ""),
    method("getXAttrs", "1! src string, 2* xAttrs XAttr", "1* xAttrs XAttr"),
    method("listXAttrs", _FILE, "1* xAttrs XAttr"),
    method("removeXAttr", "1! src string, 2 xAttr XAttr", ""),
    method("modifyAclEntries", "1! src string, 2* aclSpec AclEntry", ""),
    method("removeAclEntries", "1! src string, 2* aclSpec AclEntry", ""),
    method("removeDefaultAcl", _FILE, ""),
    method("removeAcl", _FILE, ""),
    method("setAcl", "1! src string, 2* aclSpec AclEntry", ""),
    method("getAclStatus", _FILE, "1! result AclStatus"),
    # Writing
    method("create",
           "1! src string, 2! masked FsPermission, 3! clientName string, 4! createFlag uint32,"
           "5! createParent bool, 6! replication uint32, 7! blockSize uint64,"
           "9 unmasked FsPermission, 10 ecPolicyName string, 11 storagePolicy string",
           "1 fs HdfsFileStatus"),
    method("append", "1! src string, 2! clientName string, 3 flag uint32 = 4",
           "1 block LocatedBlock, 2 stat HdfsFileStatus"),
    method("addBlock",
           "1! src string, 2! clientName string, 3 previous ExtendedBlock,"
           "4* excludeNodes DatanodeInfo, 5 fileId uint64 = 0, 6* favoredNodes string",
           "1! block LocatedBlock"),
    method("abandonBlock",
           "1! b ExtendedBlock, 2! src string, 3! holder string, 4 fileId uint64 = 0", ""),
    method("getAdditionalDatanode",
           "1! src string, 2! blk ExtendedBlock, 3* existings DatanodeInfo,"
           "4* excludes DatanodeInfo, 5! numAdditionalNodes uint32, 6! clientName string,"
           "7* existingStorageUuids string, 8 fileId uint64 = 0",
           "1! block LocatedBlock"),
    method("updateBlockForPipeline", "1! block ExtendedBlock, 2! clientName string",
           "1! block LocatedBlock"),
    method("updatePipeline",
           "1! clientName string, 2! oldBlock ExtendedBlock, 3! newBlock ExtendedBlock,"
           "4* newNodes DatanodeID, 5* storageIDs string", ""),
    method("complete", _WRITER + ", 3 last ExtendedBlock, 4 fileId uint64 = 0",
           "1! result bool"),
    method("fsync", "1! src string, 2! client string, 3 lastBlockLength sint64 = -1,"
           "4 fileId uint64 = 0", ""),
    method("renewLease", "1! clientName string, 2* namespaces string", ""),
    method("recoverLease", _WRITER, "1! result bool"),
    method("reportBadBlocks", "1* blocks LocatedBlock", ""),
    # The cluster
    method("getServerDefaults", "", "1! serverDefaults FsServerDefaults"),
    method("getFsStats", "",
           "1! capacity uint64, 2! used uint64, 3! remaining uint64, 4! under_replicated uint64,"
           "5! corrupt_blocks uint64, 6! missing_blocks uint64, 7 missing_repl_one_blocks uint64,"
           "8 blocks_in_future uint64, 9 pending_deletion_blocks uint64"),
    method("getDatanodeReport", "1! type enum", "1* di DatanodeInfo"),
    method("setSafeMode", "1! action enum, 2 checked bool = false", "1! result bool"),
    method("saveNamespace", "1 timeWindow uint64 = 0, 2 txGap uint64 = 0", "1 saved bool"),
    method("msync", "", ""),
    method("getHAServiceState", "", "1! state enum"),
    method("getErasureCodingPolicy", _FILE, ""),
    method("getEZForPath", _FILE, ""),
)
