"""What a client says first: which versions, and who it is."""

from kafkalite.schema import Api

API_VERSIONS = 18

CONNECTION_APIS = (
    # Version 0 is followed by the mechanism's messages as they are, not in SaslAuthenticate.
    Api(
        17, "SaslHandshake", "0-1",
        request="""
mechanism                   string
""",
        response="""
error_code                  int16
mechanisms                  []string
""",
    ),
    Api(
        API_VERSIONS, "ApiVersions", "0-4", flexible=3,
        request="""
client_software_name        string   3+
client_software_version     string   3+
""",
        response="""
error_code                  int16
api_keys                    []
  api_key                   int16
  min_version               int16
  max_version               int16
throttle_time_ms            int32    1+
supported_features          []       3+ ~0
  name                      string
  min_version               int16
  max_version               int16
finalized_features_epoch    int64    3+ ~1 = -1
finalized_features          []       3+ ~2
  name                      string
  max_version_level         int16
  min_version_level         int16
zk_migration_ready          bool     3+ ~3
""",
    ),
    Api(
        36, "SaslAuthenticate", "0-2", flexible=2,
        request="""
auth_bytes                  bytes
""",
        response="""
error_code                  int16
error_message               string?
auth_bytes                  bytes
session_lifetime_ms         int64    1+
""",
    ),
)
