"""Orders: what ERP wants of them, what was made, and what is told of it."""
