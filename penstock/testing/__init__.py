"""Fakes and oracles for tests, shipped for those who write components."""
