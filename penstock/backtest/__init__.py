"""Runs a detector over history as a stream would.

`table` reads files, `scoring` scores them row by row, `labels` reads windows that are abnormal,
`measures` compares alarms with labels, `plot` draws it all.
"""
