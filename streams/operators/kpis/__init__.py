"""KPIs: what a window's account is, and the figures computed from it, one file per family."""
