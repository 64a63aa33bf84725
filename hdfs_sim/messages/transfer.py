"""DataTransferProtocol: bytes of blocks between clients and DataNodes (datatransfer.proto).

The frames and packets are drawn in hdfs_sim/packet.pyx.
"""

from hdfs_sim.messages.table import message

VERSION = 28

# Opcodes
WRITE_BLOCK, READ_BLOCK, COPY_BLOCK = 80, 81, 84
BLOCK_CHECKSUM, TRANSFER_BLOCK = 85, 86

# Status
OK, ERROR, ERROR_CHECKSUM, ERROR_INVALID, ERROR_EXISTS = 0, 1, 2, 3, 4
CHECKSUM_OK, ERROR_UNSUPPORTED = 6, 7

# OpWriteBlock.stage
SETUP_APPEND, APPEND_RECOVERY, STREAMING, STREAMING_RECOVERY = 0, 1, 2, 3
CLOSE, CLOSE_RECOVERY, SETUP_CREATE, TRANSFER_RBW, TRANSFER_FINALIZED = 4, 5, 6, 7, 8

MESSAGES = [
    message("BaseHeader", "1! block ExtendedBlock", "2 token Token"),
    message("ClientOperationHeader", "1! baseHeader BaseHeader", "2! clientName string"),
    message("Checksum", "1! type enum", "2! bytesPerChecksum uint32"),
    message(
        "OpReadBlock",
        "1! header ClientOperationHeader",
        "2! offset uint64",
        "3! len uint64",
        "4 sendChecksums bool = true",
    ),
    message(
        "OpWriteBlock",
        "1! header ClientOperationHeader",
        "2* targets DatanodeInfo",
        "3 source DatanodeInfo",
        "4! stage enum",
        "5! pipelineSize uint32",
        "6! minBytesRcvd uint64",
        "7! maxBytesRcvd uint64",
        "8! latestGenerationStamp uint64",
        "9! requestedChecksum Checksum",
        "11 storageType enum = 1",
        "12* targetStorageTypes enum",
        "13 allowLazyPersist bool = false",
        "14 pinning bool = false",
        "15* targetPinnings bool",
        "16 storageId string",
        "17* targetStorageIds string",
    ),
    message(
        "OpTransferBlock",
        "1! header ClientOperationHeader",
        "2* targets DatanodeInfo",
        "3* targetStorageTypes enum",
        "4* targetStorageIds string",
    ),
    message("OpCopyBlock", "1! header BaseHeader"),
    message("BlockChecksumOptions", "1 blockChecksumType enum = 1", "2 stripeLength uint64"),
    message("OpBlockChecksum", "1! header BaseHeader",
            "2 blockChecksumOptions BlockChecksumOptions"),
    message(
        "OpBlockChecksumResponse",
        "1! bytesPerCrc uint32",
        "2! crcPerBlock uint64",
        "3! blockChecksum bytes",
        "4 crcType enum",
        "5 blockChecksumOptions BlockChecksumOptions",
    ),
    message("ReadOpChecksumInfo", "1! checksum Checksum", "2! chunkOffset uint64"),
    message(
        "BlockOpResponse",
        "1! status enum",
        "2 firstBadLink string",
        "3 checksumResponse OpBlockChecksumResponse",
        "4 readOpChecksumInfo ReadOpChecksumInfo",
        "5 message string",
    ),
    message(
        "PacketHeader",
        "1! offsetInBlock sfixed64",
        "2! seqno sfixed64",
        "3! lastPacketInBlock bool",
        "4! dataLen sfixed32",
        "5 syncBlock bool = false",
    ),
    message(
        "PipelineAck",
        "1! seqno sint64",
        "2* reply enum",
        "3 downstreamAckTimeNanos uint64 = 0",
        "4* flag uint32 packed",
    ),
    message("ClientReadStatus", "1! status enum"),
]
