"""Alerts for those who read them: last revisions, pictures, acknowledgements."""
