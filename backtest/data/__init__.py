"""Data files of the package; patterns of headlines, and the parts of the report page."""
