"""Anomaly scores of one asset, row by row, as streams and backtests compute them alike.

`features` smooths signals and frees them of drift; a detector (`penstock.detector`) scores them;
`calibration` turns scores into p-values; `alarm` raises and ends alarms; `monitor` holds it all
together and decides what may be learned.
"""
