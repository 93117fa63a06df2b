"""Programs around Penstock that are not part of it."""
