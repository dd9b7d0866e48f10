"""An assessment for people: tables, pictures, the page."""
