"""Alembic's entry: migrate over the connection that the ledger hands over; there is no other way in."""

from alembic import context

from allocation.live.ledger.database import VERSIONS
from allocation.live.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSIONS)
with context.begin_transaction():
    context.run_migrations()
