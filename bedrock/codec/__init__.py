"""Pure functions from bytes to bytes: what wires and files are made of.

    varint     LEB128 numbers, plain and zigzag           varint.pyx
    crc32c     the checksum of Kafka, HDFS and our logs   crc32c.pyx, crc32c.h
    protobuf   messages from tables, without a compiler   protobuf.pyx
    compress   gzip, snappy, lz4, zstd with output caps   compress.py
    errors     Malformed, TooLarge                        errors.py

Nothing here keeps state, reads a file or knows a component.
"""
