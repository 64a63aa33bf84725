"""The policy as its options say it: tiers, and retention for matchers.

    tiers             5m:2d:1y,1h:14d:0              bucket : from which age : kept for (0: always)
    retention_rules   {job="debug"}:1d;{__name__=~"slo_.+"}:5y        the first that matches counts
"""

from __future__ import annotations

from bedrock.app.config import ConfigError
from tsdb.config import TsdbConfig
from tsdb.lifecycle import Policy, Rule, Tier
from tsdb.promql.errors import BadQuery
from tsdb.promql.lexer import parse_duration


def policy_of(config: TsdbConfig) -> Policy:
    """What becomes of samples; ConfigError."""
    return Policy(
        block_ms=duration_ms("block_range", config.block_range),
        samples_max=config.samples_max,
        retention_ms=duration_ms("retention", config.retention),
        tiers=_tiers(config.tiers),
        rules=_rules(config.retention_rules),
        cold_ms=duration_ms("zstd_after", config.zstd_after),
    )


def duration_ms(option: str, text: str) -> int:
    """A duration, or 0; ConfigError names the option."""
    if text == "0":
        return 0
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise ConfigError(f"--{option.replace('_', '-')}: {exc}") from exc


def _tiers(text: str) -> tuple[Tier, ...]:
    made: list[Tier] = []
    for part in filter(None, text.split(",")):
        try:
            resolution, after, kept = (duration_ms("tiers", item) for item in part.split(":"))
        except ValueError as exc:
            raise ConfigError(f"--tiers: {part!r} is not bucket:age:retention") from exc
        finer = made[-1].resolution_ms if made else 1
        if resolution <= finer or resolution % finer:
            raise ConfigError("--tiers: a bucket must be a multiple of the one before")
        made.append(Tier(resolution, after, kept))
    return tuple(made)


def _rules(text: str) -> tuple[Rule, ...]:
    from tsdb.promql.parser import parse_selector

    made = []
    for part in filter(None, text.split(";")):
        selector, _, age = part.rpartition(":")
        try:
            matchers = tuple(parse_selector(selector))
        except BadQuery as exc:
            raise ConfigError(f"--retention-rules: {exc}") from exc
        made.append(Rule(matchers, duration_ms("retention_rules", age)))
    return tuple(made)
