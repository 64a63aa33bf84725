"""A component as small as one can be: it gives every line back, and counts what it kept.

`keep TEXT` appends to a file and syncs before the reply; `slow N` answers after N seconds; `die`
fails the disk.  The tests of bedrock.app and bedrock.testing run it where any component would do.
"""
