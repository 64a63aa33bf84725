"""What remote writes tell besides samples: exemplars, and the metadata of metrics."""

from __future__ import annotations

from typing import Any

from bedrock.codec.protobuf import Message, Schema, field
from tsdb.labels import labels_of_key
from tsdb.monitor.exemplars import Exemplars
from tsdb.monitor.exposition import Exemplar, Metadata
from tsdb.store import Store

METRICS_MAX = 100_000  # whose metadata is kept
TYPES = (
    "unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset",
)  # fmt: skip

EXEMPLAR = Message(
    "Exemplar",
    field(1, "labels", "Label", repeated=True),
    field(2, "value", "double"),
    field(3, "timestamp", "int64"),
    proto3=True,
)
METADATA = Message(
    "MetricMetadata",
    field(1, "type", "int32"),
    field(2, "name", "string"),
    field(4, "help", "string"),
    field(5, "unit", "string"),
    proto3=True,
)
LABEL = Message("Label", field(1, "name", "string"), field(2, "value", "string"), proto3=True)
Schema(EXEMPLAR, METADATA, LABEL)


class Received:
    """Keeps what the remote writes of a store brought along."""

    def __init__(self, store: Store, exemplars: Exemplars):
        self.store = store
        self.exemplars = exemplars
        self.metadata: dict[str, Metadata] = {}

    def take(self) -> None:
        """Keep what came with the last remote write; Malformed."""
        remote = self.store.remote
        head = self.store.head
        for ref, encoded in remote.exemplars:
            found: dict[str, Any] = EXEMPLAR.decode(encoded)
            labels = {pair["name"]: pair["value"] for pair in found["labels"]}
            exemplar = Exemplar(labels, found["value"], found["timestamp"])
            self.exemplars.add(labels_of_key(head.series[ref].key), exemplar, found["timestamp"])
        for encoded in remote.metadata:
            told: dict[str, Any] = METADATA.decode(encoded)
            kind = TYPES[told["type"]] if 0 <= told["type"] < len(TYPES) else TYPES[0]
            if told["name"] in self.metadata or len(self.metadata) < METRICS_MAX:
                self.metadata[told["name"]] = Metadata(kind, told["help"], told["unit"])
