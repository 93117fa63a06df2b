"""Penstock: carries a factory's OT data into its IT systems, and decisions back."""

__version__ = "0.1.0"
