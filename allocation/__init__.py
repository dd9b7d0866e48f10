"""Signal and risk -> weights: frames, forecasts, risk models, the optimizer and policies.

Names load when first touched (__init__.pyi lists them): `import allocation` loads neither cvxpy nor scikit-learn.
"""

from newsfolio.shared.faces import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
