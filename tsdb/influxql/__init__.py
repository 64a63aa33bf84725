"""InfluxQL, as the `influx` shell and dashboards of InfluxDB 1 ask it."""
