"""The version of Redis whose behaviour and formats this server has."""

REDIS_VERSION = "7.0.15"
