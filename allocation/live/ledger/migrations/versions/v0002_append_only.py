"""What was decided, ordered and filled can be added to and never changed: the database refuses."""

from alembic import op

revision = "0002"
down_revision = "0001"

APPEND_ONLY = ("decisions", "targets", "baskets", "orders", "order_events", "fills", "books", "positions")
REFUSE = """CREATE FUNCTION newsfolio_refuse() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION '% is only added to', TG_TABLE_NAME; END $$ LANGUAGE plpgsql"""


def upgrade() -> None:
    """Put a trigger on each table of the record."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(REFUSE)
    for table in APPEND_ONLY:
        append_only(table)


def append_only(table: str) -> None:
    """Let the database refuse to change or delete rows of a table."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION newsfolio_refuse()"
        )
        op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION newsfolio_refuse()")
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is only added to'); END"
        )
