"""Benchmarks of Penstock beside its peers: same broker, same input, same work, one run."""
