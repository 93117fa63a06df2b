"""The parts of the operator that turns an asset's states and counters into time and pieces."""
