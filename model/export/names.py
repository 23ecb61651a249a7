"""What the files of a volume are called."""

from __future__ import annotations

MASK, PROBABILITY, SEG = "mask.nii.gz", "probability.nii.gz", "mask.dcm"
MONTAGE, REPORT = "montage.png", "report.pdf"
CSV, JSON = "measurements.csv", "measurements.json"

NOTICE = "For research only. Groundglass is not a medical device."
"""What every report and table says."""
