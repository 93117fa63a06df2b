"""What the operator `alerts` is made of."""
