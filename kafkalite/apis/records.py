"""Producing, fetching and finding records."""

from kafkalite.schema import Api

PRODUCE, FETCH = 0, 1

RECORD_APIS = (
    # librdkafka before 2.11.1 compresses only for brokers whose ranges say 2-2 and 3-3, and
    # Kafka 4 itself says "from 0" for its sake (KAFKA-18659).
    Api(
        PRODUCE, "Produce", "3-12", flexible=9, advertises=0,
        request="""
transactional_id            string?  3+ = null
acks                        int16
timeout_ms                  int32
topics                      []
  name                      string
  partitions                []
    index                   int32
    records                 records?
""",
        response="""
topics                      []
  name                      string
  partitions                []
    index                   int32
    error_code              int16
    base_offset             int64
    log_append_time_ms      int64    2+ = -1
    log_start_offset        int64    5+ = -1
    record_errors           []       8+
      batch_index           int32
      error_message         string?  = null
    error_message           string?  8+ = null
    current_leader          {}       10+ ~0
      leader_id             int32    = -1
      leader_epoch          int32    = -1
throttle_time_ms            int32    1+
node_endpoints              []       10+ ~0
  node_id                   int32
  host                      string
  port                      int32
  rack                      string?  = null
""",
    ),
    Api(
        FETCH, "Fetch", "4-16", flexible=12, advertises=0,
        request="""
cluster_id                  string?  12+ ~0 = null
replica_id                  int32    0-14 = -1
replica_state               {}       15+ ~1
  replica_id                int32    = -1
  replica_epoch             int64    = -1
max_wait_ms                 int32
min_bytes                   int32
max_bytes                   int32    3+ = 2147483647
isolation_level             int8     4+
session_id                  int32    7+
session_epoch               int32    7+ = -1
topics                      []
  name                      string   0-12
  topic_id                  uuid     13+
  partitions                []
    index                   int32
    current_leader_epoch    int32    9+ = -1
    fetch_offset            int64
    last_fetched_epoch      int32    12+ = -1
    log_start_offset        int64    5+ = -1
    max_bytes               int32
forgotten_topics            []       7+
  name                      string   7-12
  topic_id                  uuid     13+
  partitions                []int32
rack_id                     string   11+
""",
        response="""
throttle_time_ms            int32    1+
error_code                  int16    7+
session_id                  int32    7+
topics                      []
  name                      string   0-12
  topic_id                  uuid     13+
  partitions                []
    index                   int32
    error_code              int16
    high_watermark          int64
    last_stable_offset      int64    4+ = -1
    log_start_offset        int64    5+ = -1
    diverging_epoch         {}       12+ ~0
      epoch                 int32    = -1
      end_offset            int64    = -1
    current_leader          {}       12+ ~1
      leader_id             int32    = -1
      leader_epoch          int32    = -1
    snapshot_id             {}       12+ ~2
      end_offset            int64    = -1
      epoch                 int32    = -1
    aborted_transactions    []?      4+
      producer_id           int64
      first_offset          int64
    preferred_read_replica  int32    11+ = -1
    records                 records?
node_endpoints              []       16+ ~0
  node_id                   int32
  host                      string
  port                      int32
  rack                      string?  = null
""",
    ),
    Api(
        2, "ListOffsets", "1-10", flexible=6,
        request="""
replica_id                  int32
isolation_level             int8     2+
topics                      []
  name                      string
  partitions                []
    index                   int32
    current_leader_epoch    int32    4+ = -1
    timestamp               int64
timeout_ms                  int32    10+
""",
        response="""
throttle_time_ms            int32    2+
topics                      []
  name                      string
  partitions                []
    index                   int32
    error_code              int16
    timestamp               int64    1+ = -1
    offset                  int64    1+ = -1
    leader_epoch            int32    4+ = -1
""",
    ),
    Api(
        21, "DeleteRecords", "0-2", flexible=2,
        request="""
topics                      []
  name                      string
  partitions                []
    index                   int32
    offset                  int64
timeout_ms                  int32
""",
        response="""
throttle_time_ms            int32
topics                      []
  name                      string
  partitions                []
    index                   int32
    low_watermark           int64
    error_code              int16
""",
    ),
    Api(
        23, "OffsetForLeaderEpoch", "2-4", flexible=4,
        request="""
replica_id                  int32    3+ = -2
topics                      []
  name                      string
  partitions                []
    index                   int32
    current_leader_epoch    int32    2+ = -1
    leader_epoch            int32
""",
        response="""
throttle_time_ms            int32    2+
topics                      []
  name                      string
  partitions                []
    error_code              int16
    index                   int32
    leader_epoch            int32    1+ = -1
    end_offset              int64    = -1
""",
    ),
)
