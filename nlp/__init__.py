"""News -> signal: read headlines, fine-tune and run a classifier, assign sessions, aggregate.

Names are loaded when first touched: __init__.pyi lists them, so `import nlp` costs nothing: no torch, no transformers.
"""

from newsfolio.shared.faces import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
