"""A downstream service: keeps of each document the greatest version. See README.md."""
