"""What nlp, allocation and backtest all need, once and without torch: tables, files, calendars, pages, Ray."""
