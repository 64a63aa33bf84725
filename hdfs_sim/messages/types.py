"""The types that HDFS's protocols share (hdfs.proto, acl.proto, xattr.proto, HdfsServer.proto)."""

from hdfs_sim.messages.table import message

# HdfsFileStatus.fileType
DIRECTORY, FILE = 1, 2

# ChecksumType
CHECKSUM_NULL, CHECKSUM_CRC32, CHECKSUM_CRC32C = 0, 1, 2

# create: createFlag bits
CREATE, OVERWRITE, APPEND, NEW_BLOCK = 1, 2, 4, 0x20

# The storage type of every replica here, and "no quota" as ContentSummary spells it
DISK = 1
NO_QUOTA = (1 << 64) - 1

MESSAGES = [
    message(
        "ExtendedBlock",
        "1! poolId string",
        "2! blockId uint64",
        "3! generationStamp uint64",
        "4 numBytes uint64 = 0",
    ),
    message("Block", "1! blockId uint64", "2! genStamp uint64", "3 numBytes uint64 = 0"),
    message("Token", "1! identifier bytes", "2! password bytes", "3! kind string",
            "4! service string"),
    message(
        "DatanodeID",
        "1! ipAddr string",
        "2! hostName string",
        "3! datanodeUuid string",
        "4! xferPort uint32",
        "5! infoPort uint32",
        "6! ipcPort uint32",
        "7 infoSecurePort uint32 = 0",
    ),
    message(
        "DatanodeInfo",
        "1! id DatanodeID",
        "2 capacity uint64 = 0",
        "3 dfsUsed uint64 = 0",
        "4 remaining uint64 = 0",
        "5 blockPoolUsed uint64 = 0",
        "6 lastUpdate uint64 = 0",
        "7 xceiverCount uint32 = 0",
        "8 location string",
        "9 nonDfsUsed uint64",
        "10 adminState enum = 0",
        "11 cacheCapacity uint64 = 0",
        "12 cacheUsed uint64 = 0",
        "13 lastUpdateMonotonic uint64 = 0",
        "14 upgradeDomain string",
        "15 lastBlockReportTime uint64 = 0",
        "16 lastBlockReportMonotonic uint64 = 0",
        "17 numBlocks uint32 = 0",
    ),
    message("DatanodeInfos", "1* datanodes DatanodeInfo"),
    message(
        "LocatedBlock",
        "1! b ExtendedBlock",
        "2! offset uint64",
        "3* locs DatanodeInfo",
        "4! corrupt bool",
        "5! blockToken Token",
        "6* isCached bool packed",
        "7* storageTypes enum",
        "8* storageIDs string",
    ),
    message(
        "LocatedBlocks",
        "1! fileLength uint64",
        "2* blocks LocatedBlock",
        "3! underConstruction bool",
        "4 lastBlock LocatedBlock",
        "5! isLastBlockComplete bool",
    ),
    message("FsPermission", "1! perm uint32"),
    message(
        "HdfsFileStatus",
        "1! fileType enum",
        "2! path bytes",
        "3! length uint64",
        "4! permission FsPermission",
        "5! owner string",
        "6! group string",
        "7! modification_time uint64",
        "8! access_time uint64",
        "9 symlink bytes",
        "10 block_replication uint32 = 0",
        "11 blocksize uint64 = 0",
        "12 locations LocatedBlocks",
        "13 fileId uint64 = 0",
        "14 childrenNum int32 = -1",
        "16 storagePolicy uint32 = 0",
        "18 flags uint32 = 0",
    ),
    message("DirectoryListing", "1* partialListing HdfsFileStatus", "2! remainingEntries uint32"),
    message(
        "FsServerDefaults",
        "1! blockSize uint64",
        "2! bytesPerChecksum uint32",
        "3! writePacketSize uint32",
        "4! replication uint32",
        "5! fileBufferSize uint32",
        "6 encryptDataTransfer bool = false",
        "7 trashInterval uint64 = 0",
        "8 checksumType enum = 1",
        "9 keyProviderUri string",
        "10 policyId uint32 = 0",
    ),
    message(
        "ContentSummary",
        "1! length uint64",
        "2! fileCount uint64",
        "3! directoryCount uint64",
        "4! quota uint64",
        "5! spaceConsumed uint64",
        "6! spaceQuota uint64",
    ),
    message(
        "AclEntry",
        "1! type enum",
        "2! scope enum",
        "3! permissions enum",
        "4 name string",
    ),
    message(
        "AclStatus",
        "1! owner string",
        "2! group string",
        "3! sticky bool",
        "4* entries AclEntry",
        "5 permission FsPermission",
    ),
    message("XAttr", "1! namespace enum", "2! name string", "3 value bytes"),
    message("StorageInfo", "1! layoutVersion uint32", "2! namespceID uint32",
            "3! clusterID string", "4! cTime uint64"),
    message("StorageUuids", "1* storageUuids string"),
]
