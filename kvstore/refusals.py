"""Errors that more than one part of the engine answers with, in Redis's own words.

Clients match on the first word, and some on the whole text.
"""

OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'."
LOADING = "LOADING Redis is loading the dataset in memory"
MASTER_DOWN = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
TOO_FEW_REPLICAS = "NOREPLICAS Not enough good replicas to write."
NOT_FOR_REPLICAS = "ERR Replica can't interact with the keyspace"
READ_ONLY_REPLICA = "READONLY You can't write against a read only replica."
