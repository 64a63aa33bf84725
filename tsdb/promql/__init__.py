"""PromQL: text in, vectors out; see `engine` for the door."""
