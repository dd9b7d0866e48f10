"""Weights -> what they would have earned: schedules, the causal walk, the simulation, its significance.

Names are loaded when first touched: __init__.pyi lists them, so `import backtest` costs nothing: no vectorbt, no cvxpy.
"""

from newsfolio.shared.faces import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
