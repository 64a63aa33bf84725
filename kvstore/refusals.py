"""Errors that more than one part of the engine answers with, in Redis's own words.

Clients match on the first word, and some on the whole text.
"""

OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'."
READ_ONLY_REPLICA = "READONLY You can't write against a read only replica."
