"""How good a classifier is: figures, intervals, calibration, comparisons, the page."""
