"""ApiVersions, and logging in by SASL."""

from __future__ import annotations

from typing import Any

from kafkalite.apis import APIS
from kafkalite.broker import Broker, Call
from kafkalite.errors import Code
from kafkalite.scram import Refused

# What the whole cluster can do: transactions as in KIP-890, groups as in KIP-848.
FEATURES = (("group.version", 1), ("transaction.version", 2))


def api_versions(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """What this broker speaks; SASL only where it is asked for."""
    keys = [
        {
            "api_key": api.key,
            "min_version": api.oldest if api.advertises is None else api.advertises,
            "max_version": api.newest,
        }
        for api in APIS.values()
        if broker.users.required or not api.name.startswith("Sasl")
    ]
    return {
        "api_keys": keys,
        "supported_features": [
            {"name": name, "min_version": 1, "max_version": level} for name, level in FEATURES
        ],
        "finalized_features_epoch": 0,
        "finalized_features": [
            {"name": name, "min_version_level": level, "max_version_level": level}
            for name, level in FEATURES
        ],
    }


def sasl_handshake(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The client names its mechanism."""
    mechanisms = broker.users.mechanisms
    if request["mechanism"] not in mechanisms:
        return {"error_code": Code.UNSUPPORTED_SASL_MECHANISM, "mechanisms": mechanisms}
    call.login = broker.users.exchange(request["mechanism"])
    call.bare = call.version == 0
    return {"mechanisms": mechanisms}


def sasl_authenticate(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The next message of the client's mechanism."""
    if call.login is None:
        return {"error_code": Code.ILLEGAL_SASL_STATE, "error_message": "SaslHandshake first"}
    try:
        reply = log_in(call, request["auth_bytes"])
    except Refused as exc:
        call.login = None
        return {"error_code": Code.SASL_AUTHENTICATION_FAILED, "error_message": str(exc)}
    return {"auth_bytes": reply, "error_message": None}


def log_in(call: Call, message: bytes) -> bytes:
    """The broker's reply; afterwards `call.user` is set, if that was the last message."""
    reply = call.login.answer(message)
    if call.login.done:
        call.user, call.login, call.bare = call.login.user, None, False
    return reply
