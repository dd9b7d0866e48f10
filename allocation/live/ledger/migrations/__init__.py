"""Steps from one version of the ledger to the next; applied in order when a ledger is opened."""
