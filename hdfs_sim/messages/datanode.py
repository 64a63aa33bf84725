"""What a DataNode says to its NameNode, and to a peer while a block is recovered.

DatanodeProtocol.proto and InterDatanodeProtocol.proto; the NameNode never calls a DataNode, it
gives commands in the answers to heartbeats.
"""

from hdfs_sim.messages.table import message, method, protocol

# DatanodeCommand.cmdType
BLOCK_COMMAND, RECOVERY_COMMAND, REGISTER_COMMAND = 1, 2, 5

# BlockCommand.action
TRANSFER, INVALIDATE = 1, 2

# ReceivedDeletedBlockInfo.status
RECEIVING, RECEIVED, DELETED = 1, 2, 3

# ReplicaState: complete / being written / left by a crash / being recovered / a copy on its way
FINALIZED, RBW, RWR, RUR, TEMPORARY = 0, 1, 2, 3, 4

MESSAGES = [
    message("BlockKey", "1! keyId uint32", "2! expiryDate uint64", "3 keyBytes bytes"),
    message(
        "ExportedBlockKeys",
        "1! isBlockTokenEnabled bool",
        "2! keyUpdateInterval uint64",
        "3! tokenLifeTime uint64",
        "4! currentKey BlockKey",
    ),
    message(
        "DatanodeRegistration",
        "1! datanodeID DatanodeID",
        "2! storageInfo StorageInfo",
        "3! keys ExportedBlockKeys",
        "4! softwareVersion string",
    ),
    message("DatanodeStorage", "1! storageUuid string", "2 state enum = 0",
            "3 storageType enum = 1"),
    message(
        "StorageReport",
        "1! storageUuid string",
        "2 failed bool = false",
        "3 capacity uint64 = 0",
        "4 dfsUsed uint64 = 0",
        "5 remaining uint64 = 0",
        "6 blockPoolUsed uint64 = 0",
        "7 storage DatanodeStorage",
    ),
    message(
        "BlockCommand",
        "1! action enum",
        "2! blockPoolId string",
        "3* blocks Block",
        "4* targets DatanodeInfos",
        "5* targetStorageUuids StorageUuids",
    ),
    message("RecoveringBlock", "1! newGenStamp uint64", "2! block LocatedBlock"),
    message("BlockRecoveryCommand", "1* blocks RecoveringBlock"),
    message("RegisterCommand"),
    message(
        "DatanodeCommand",
        "1! cmdType enum",
        "3 blkCmd BlockCommand",
        "4 recoveryCmd BlockRecoveryCommand",
        "7 registerCmd RegisterCommand",
    ),
    message("NNHAStatusHeartbeat", "1! state enum", "2! txid uint64"),
    message(
        "StorageBlockReport",
        "1! storage DatanodeStorage",
        "2* blocks uint64 packed",
    ),
    message("ReceivedDeletedBlockInfo", "1! block Block", "2 deleteHint string",
            "3! status enum"),
    message(
        "StorageReceivedDeletedBlocks",
        "1! storageUuid string",
        "2* blocks ReceivedDeletedBlockInfo",
        "3 storage DatanodeStorage",
    ),
    message(
        "NamespaceInfo",
        "1! buildVersion string",
        "2! unused uint32",
        "3! blockPoolID string",
        "4! storageInfo StorageInfo",
        "5! softwareVersion string",
    ),
]

DATANODE = protocol(
    "org.apache.hadoop.hdfs.server.protocol.DatanodeProtocol",
    method("versionRequest", "", "1! info NamespaceInfo"),
    method("registerDatanode", "1! registration DatanodeRegistration",
           "1! registration DatanodeRegistration"),
    method("sendHeartbeat",
           "1! registration DatanodeRegistration, 2* reports StorageReport,"
           "3 xmitsInProgress uint32 = 0, 4 xceiverCount uint32 = 0",
           "1* cmds DatanodeCommand, 2! haStatus NNHAStatusHeartbeat"),
    method("blockReport",
           "1! registration DatanodeRegistration, 2! blockPoolId string,"
           "3* reports StorageBlockReport", "1 cmd DatanodeCommand"),
    method("blockReceivedAndDeleted",
           "1! registration DatanodeRegistration, 2! blockPoolId string,"
           "3* blocks StorageReceivedDeletedBlocks", ""),
    method("commitBlockSynchronization",
           "1! block ExtendedBlock, 2! newGenStamp uint64, 3! newLength uint64,"
           "4! closeFile bool, 5! deleteBlock bool, 6* newTaragets DatanodeID,"
           "7* newTargetStorages string", ""),
)

# reportBadBlocks and errorReport are the client's and the log's business: a DataNode here reports
# a bad replica through ClientProtocol's method of that name.

INTER_DATANODE = protocol(
    "org.apache.hadoop.hdfs.server.protocol.InterDatanodeProtocol",
    method("initReplicaRecovery", "1! block RecoveringBlock",
           "1! replicaFound bool, 2 state enum, 3 block Block"),
    method("updateReplicaUnderRecovery",
           "1! block ExtendedBlock, 2! recoveryId uint64, 3! newLength uint64,"
           "4 newBlockId uint64 = 0", "1 storageUuid string"),
)
