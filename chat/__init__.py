"""chat: an IRC server (RFC 1459, IRCv3) whose messages survive.

Server    the server: IRC on a stream and over WebSocket
Network   the engine without sockets
History   what was said, in the record log
"""

__all__ = ["History", "Network", "Server"]


def __getattr__(name: str):
    from importlib import import_module

    homes = {"Server": "chat.server", "Network": "chat.network", "History": "chat.history"}
    if name not in homes:
        raise AttributeError(name)
    return getattr(import_module(homes[name]), name)
