"""A time-series database that speaks Prometheus and InfluxDB."""
