"""One scheduled step: settle, decide, guard, submit, report."""
