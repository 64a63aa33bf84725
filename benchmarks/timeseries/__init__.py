"""What the benchmarks of tsdb share: data, and reading all of it back."""
