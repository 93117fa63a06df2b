"""Runs components as processes: connectors, sinks, and who watches over them."""
