"""Everything at once: stack, factory, pipeline, a live view, and a check against the truth."""
