"""The parts of operators that make lines' results from their assets'."""
