"""Runs a detector over history as a stream would.

`scoring` scores files row by row, `labels` reads windows that are abnormal,
`measures` compares alarms with labels, `plot` draws it all.
"""
