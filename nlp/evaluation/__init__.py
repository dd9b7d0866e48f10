"""How good a classifier is: figures with intervals, baselines, comparisons, the printed text and the page."""
