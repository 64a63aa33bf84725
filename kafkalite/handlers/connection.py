"""ApiVersions and SASL/PLAIN (RFC 4616)."""

from __future__ import annotations

import hmac
from typing import Any

from kafkalite.apis import APIS
from kafkalite.broker import Broker, Call
from kafkalite.errors import Code

MECHANISMS = ["PLAIN"]
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
        if broker.password or not api.name.startswith("Sasl")
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
    if request["mechanism"] not in MECHANISMS:
        return {"error_code": Code.UNSUPPORTED_SASL_MECHANISM, "mechanisms": MECHANISMS}
    call.mechanism = request["mechanism"]
    return {"mechanisms": MECHANISMS}


def sasl_authenticate(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The client gives name and password: `authorize NUL name NUL password`."""
    if not call.mechanism:
        return {"error_code": Code.ILLEGAL_SASL_STATE, "error_message": "SaslHandshake first"}
    _, _, rest = request["auth_bytes"].partition(b"\0")
    user, _, password = rest.partition(b"\0")
    if not user or not hmac.compare_digest(password, broker.password.encode()):
        return {
            "error_code": Code.SASL_AUTHENTICATION_FAILED,
            "error_message": "Authentication failed: Invalid username or password",
        }
    call.user = user.decode("utf-8", "replace")
    return {}
