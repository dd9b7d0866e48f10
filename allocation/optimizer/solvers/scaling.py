"""Cone data in units in which all numbers are of size one, so that no result depends on the scale of returns.

Solvers and residuals compare numbers with absolute tolerances: returns in ten-thousandths, or a volatility limit of
1e-6, would be lost in them. Weights keep their unit; each row is divided by the size of its coefficients, and each
other variable (a factor's return, a shortfall) is measured in the unit of its rows, outwards from the weights. All
scales are powers of two, which round nothing.
"""

from dataclasses import dataclass, replace

import numpy as np

from allocation.optimizer.solvers.cone_program import ConeData, ParametrisedConeProgram, SparseMatrix
from newsfolio.shared.arrays import BoolArray, FloatArray, IndexArray

SMALL_UNIT = 2.0**-60  # of squared variables that are all zero: their squares then outweigh no return


@dataclass(frozen=True)
class _Level:
    """Entries of A that set the scale of rows (`row_entries`, ordered by block), then that of columns."""

    row_entries: IndexArray
    row_starts: IndexArray
    blocks: IndexArray
    column_entries: IndexArray
    column_starts: IndexArray
    columns: IndexArray


@dataclass(frozen=True)
class Scaled:
    """Scaled data, and the scales: x = column × scaled x, z = row × scaled z / objective."""

    data: ConeData
    row: FloatArray
    column: FloatArray
    objective: float

    def restore(self, x: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return variables and multipliers in the original units."""
        return self.column * x, self.row * z / self.objective


class Scaling:
    """The order in which rows and columns of a compiled program get their scale; the pattern alone decides."""

    def __init__(self, cone_program: ParametrisedConeProgram, weights: list[slice]) -> None:
        pattern, dims = cone_program.a_pattern, cone_program.cones
        self.rows, self.columns = pattern.rows, pattern.columns
        self.has_square = np.zeros(cone_program.n_variables, dtype=bool)
        self.has_square[cone_program.p_pattern.columns] = True
        # Rows of one cone share a scale: the cone is then the same one.
        linear = dims.zero + dims.nonneg
        sizes = [*dims.soc, *(n * (n + 1) // 2 for n in dims.psd), *[3] * (dims.exp + len(dims.p3d))]
        of_cones = np.repeat(np.arange(linear, linear + len(sizes)), sizes)
        self.block = np.concatenate([np.arange(linear), of_cones]).astype(np.intp)
        self.n_blocks = linear + len(sizes)
        known = np.zeros(cone_program.n_variables, dtype=bool)
        for at in weights:
            known[at] = True
        self.levels = self._order(known)

    def _order(self, known: BoolArray) -> list[_Level]:
        levels: list[_Level] = []
        block_of = self.block[self.rows]
        has_scale = np.zeros(self.n_blocks, dtype=bool)
        while True:
            of_rows = np.flatnonzero(known[self.columns] & ~has_scale[block_of])
            has_scale[block_of[of_rows]] = True
            of_columns = np.flatnonzero(has_scale[block_of] & ~known[self.columns])
            known[self.columns[of_columns]] = True
            if not len(of_rows):
                return levels
            by_block = of_rows[np.argsort(block_of[of_rows], kind="stable")]
            blocks, row_starts = np.unique(block_of[by_block], return_index=True)
            columns, column_starts = np.unique(self.columns[of_columns], return_index=True)
            levels.append(
                _Level(
                    row_entries=by_block,
                    row_starts=row_starts,
                    blocks=blocks,
                    column_entries=of_columns,
                    column_starts=column_starts,
                    columns=columns,
                )
            )

    def apply(self, data: ConeData) -> Scaled:
        """Scale the numbers of one rebalancing."""
        size, block_of_row = np.abs(data.a.entries), self.block
        by_block, column = np.ones(self.n_blocks), np.ones(len(data.q))
        empty = np.zeros(self.n_blocks, dtype=bool)
        for level in self.levels:
            entries = level.row_entries
            largest = np.maximum.reduceat(size[entries] * column[self.columns[entries]], level.row_starts)
            by_block[level.blocks], empty[level.blocks] = _inverse(largest), largest == 0.0
            if not len(entries := level.column_entries):
                continue
            blocks = block_of_row[self.rows[entries]]
            found = _inverse(np.maximum.reduceat(size[entries] * by_block[blocks], level.column_starts))
            # What an asset without risk or a factor without loadings defines is zero: it is measured as the others are.
            is_zero = np.logical_and.reduceat(empty[blocks], level.column_starts)
            square = self.has_square[level.columns]
            of_squares = found[~is_zero & square].min() if (~is_zero & square).any() else SMALL_UNIT
            found = np.where(is_zero, np.where(square, of_squares, found[~is_zero].min(initial=1.0)), found)
            column[level.columns] = found
            entries_of = np.diff([*level.column_starts, len(entries)])
            undefined = np.repeat(is_zero, entries_of)
            by_block[blocks[undefined]] = 1.0 / np.repeat(found, entries_of)[undefined]
        row = by_block[block_of_row]
        p_rows, p_columns = data.p.pattern.rows, data.p.pattern.columns
        p, q = data.p.entries * column[p_rows] * column[p_columns], data.q * column
        objective = float(_inverse(np.abs(np.concatenate([p, q])).max(keepdims=True))[0])
        a = data.a.entries * row[self.rows] * column[self.columns]
        scaled_data = replace(
            data,
            p=SparseMatrix(objective * p, data.p.pattern),
            q=objective * q,
            a=SparseMatrix(a, data.a.pattern),
            b=data.b * row,
        )
        return Scaled(data=scaled_data, row=row, column=column, objective=objective)


def _inverse(sizes: FloatArray) -> FloatArray:
    """The power of two nearest to one over each size; one where that is zero."""
    return np.asarray(2.0 ** -np.round(np.log2(np.where(sizes > 0.0, sizes, 1.0))))
