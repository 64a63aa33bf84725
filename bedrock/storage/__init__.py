"""What survives a crash.

    errors      Damaged, Finding                                       errors.py
    segment     the bytes of a log's files, and reading them back      segment.pyx
    recordlog   append, group commit, recovery, trimming               recordlog.pyx

Rules all stores keep are at the top of bedrock/world/disk.pyx; the formats are in docs/formats.
"""
