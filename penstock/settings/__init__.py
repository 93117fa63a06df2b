"""The plant's configuration: models, and the loader that reads them from YAML and CSV."""
