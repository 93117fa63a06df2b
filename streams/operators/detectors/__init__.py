"""Detectors of anomalies: one file each, found by entry point."""
