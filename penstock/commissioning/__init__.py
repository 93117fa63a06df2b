"""What helps in the first hour with a device: samples, browsing, guesses, its load.

`penstock connectors …` uses it. Connectors take part by inheriting from the classes in `offers`;
they are found by entry point, as everywhere.
"""
