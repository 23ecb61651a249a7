"""The training kit: raw scans -> manifest -> weights -> report."""
