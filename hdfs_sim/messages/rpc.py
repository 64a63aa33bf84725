"""Hadoop RPC's own messages: headers, connection context, SASL (RpcHeader.proto, IpcConnection...).

The frames they travel in are drawn in hdfs_sim/rpc_session.pyx.
"""

from hdfs_sim.messages.table import message

# RpcResponseHeader.status
SUCCESS, ERROR, FATAL = 0, 1, 2

# RpcResponseHeader.errorDetail
APPLICATION = 1
NO_SUCH_METHOD = 2
NO_SUCH_PROTOCOL = 3
DESERIALIZING = 5
VERSION_MISMATCH = 6
INVALID_RPC_HEADER = 12
FATAL_DESERIALIZING = 13
FATAL_VERSION_MISMATCH = 14
UNAUTHORIZED = 15

# Call ids that are not calls
CONTEXT_CALL, PING_CALL, SASL_CALL = -3, -4, -33

# RpcSasl.state
SASL_SUCCESS, SASL_NEGOTIATE, SASL_INITIATE = 0, 1, 2

MESSAGES = [
    message("CallerContext", "1! context string", "2 signature bytes"),
    message(
        "RpcRequestHeader",
        "1 rpcKind enum",
        "2 rpcOp enum = 0",
        "3! callId sint32",
        "4! clientId bytes",
        "5 retryCount sint32 = -1",
        "7 callerContext CallerContext",
        "8 stateId int64",
        "9 routerFederatedState bytes",
    ),
    message("UserInformation", "1 effectiveUser string", "2 realUser string"),
    message("IpcConnectionContext", "2 userInfo UserInformation", "3 protocol string"),
    message(
        "RequestHeader",
        "1! methodName string",
        "2! declaringClassProtocolName string",
        "3! clientProtocolVersion uint64",
    ),
    message(
        "RpcResponseHeader",
        "1! callId uint32",
        "2! status enum",
        "3 serverIpcVersionNum uint32",
        "4 exceptionClassName string",
        "5 errorMsg string",
        "6 errorDetail enum",
        "7 clientId bytes",
        "8 retryCount sint32 = -1",
        "9 stateId int64",
    ),
    message(
        "SaslAuth",
        "1! method string",
        "2! mechanism string",
        "3 protocol string",
        "4 serverId string",
        "5 challenge bytes",
    ),
    message("RpcSasl", "1 version uint32", "2! state enum", "3 token bytes", "4* auths SaslAuth"),
]
