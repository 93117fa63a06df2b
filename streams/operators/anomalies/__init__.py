"""What the operator of anomaly scores is made of."""
