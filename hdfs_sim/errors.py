"""What goes wrong, as HDFS names it: clients switch on the Java class name.

Each error knows the class name that RPC sends and the status that WebHDFS answers with.  The name
of the Python class is the field's own word for the condition.
"""

from __future__ import annotations


class HdfsError(Exception):
    """java.io.IOException, and the base of all errors that are a protocol answer."""

    java_class = "java.io.IOException"
    status = 403

    @property
    def simple_name(self) -> str:
        """The Java class name without its package."""
        return self.java_class.rpartition(".")[2].rpartition("$")[2]


class FileNotFound(HdfsError):
    java_class = "java.io.FileNotFoundException"
    status = 404


class FileAlreadyExists(HdfsError):
    java_class = "org.apache.hadoop.fs.FileAlreadyExistsException"


class ParentNotDirectory(HdfsError):
    java_class = "org.apache.hadoop.fs.ParentNotDirectoryException"


class NotEmpty(HdfsError):
    java_class = "org.apache.hadoop.fs.PathIsNotEmptyDirectoryException"


class InvalidPath(HdfsError):
    java_class = "org.apache.hadoop.fs.InvalidPathException"
    status = 400


class ComponentTooLong(HdfsError):
    java_class = (
        "org.apache.hadoop.hdfs.protocol.FSLimitException$PathComponentTooLongException"
    )


class AccessDenied(HdfsError):
    java_class = "org.apache.hadoop.security.AccessControlException"


class AlreadyBeingCreated(HdfsError):
    java_class = "org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException"


class RecoveryInProgress(HdfsError):
    java_class = "org.apache.hadoop.hdfs.protocol.RecoveryInProgressException"


class LeaseExpired(HdfsError):
    java_class = "org.apache.hadoop.hdfs.server.namenode.LeaseExpiredException"


class NotReplicatedYet(HdfsError):
    java_class = "org.apache.hadoop.hdfs.server.namenode.NotReplicatedYetException"


class InSafeMode(HdfsError):
    java_class = "org.apache.hadoop.hdfs.server.namenode.SafeModeException"


class UnregisteredNode(HdfsError):
    java_class = "org.apache.hadoop.hdfs.protocol.UnregisteredNodeException"


class DisallowedDatanode(HdfsError):
    java_class = "org.apache.hadoop.hdfs.server.protocol.DisallowedDatanodeException"


class AclError(HdfsError):
    java_class = "org.apache.hadoop.hdfs.protocol.AclException"


class IllegalArgument(HdfsError):
    java_class = "org.apache.hadoop.HadoopIllegalArgumentException"
    status = 400


class Unsupported(HdfsError):
    java_class = "java.lang.UnsupportedOperationException"
    status = 400


class NoSuchMethod(HdfsError):
    java_class = "org.apache.hadoop.ipc.RpcNoSuchMethodException"


class NoSuchProtocol(HdfsError):
    java_class = "org.apache.hadoop.ipc.RpcNoSuchProtocolException"


class RemoteError(HdfsError):
    """An error that another server answered with; it is passed on as it came."""

    def __init__(self, java_class: str, text: str):
        super().__init__(text)
        self.java_class = java_class
        self.status = _STATUS.get(java_class, 403)


_STATUS = {FileNotFound.java_class: 404, InvalidPath.java_class: 400,
           IllegalArgument.java_class: 400, Unsupported.java_class: 400}
