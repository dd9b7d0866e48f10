"""What only a real account needs: orders, a ledger, brokers, and one scheduled step that is safe to repeat.

Names are loaded when first touched: __init__.pyi lists them, so `import allocation.live` loads no SQLAlchemy.
"""

from newsfolio.shared.faces import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
