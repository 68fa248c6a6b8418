"""Logistic regression with a penalty on the squares of its weights, fitted until it has converged."""

import numpy
from scipy.optimize import minimize
from scipy.special import expit

PRECISION = 1e-7
ROUGH = 1e-4  # a slope under which nothing is gained by going on, where rounding ends the search before


def regress(
    x: numpy.ndarray, verdicts: numpy.ndarray, counts: numpy.ndarray, penalty: float, start: numpy.ndarray
) -> numpy.ndarray:
    """The weights (D + 1,), the constant last, of the log odds of `verdicts` (N,), booleans, in x (N, D).

    They make least the log loss, each row's as often as `counts` (N,) says, and `penalty` / 2 times the squared
    weights, the constant's left out. start (D + 1,): where to begin; it decides how long it takes.
    """
    signs = numpy.where(verdicts, 1.0, -1.0)
    rows = numpy.column_stack([x, numpy.ones(len(x))])
    ridge = numpy.append(numpy.full(x.shape[1], penalty), 0.0)

    def loss(weights: numpy.ndarray) -> tuple[float, numpy.ndarray]:
        margins = signs * (rows @ weights)
        slope = rows.T @ (-counts * signs * expit(-margins)) + ridge * weights
        return float(counts @ numpy.logaddexp(0, -margins) + ridge @ numpy.square(weights) / 2), slope

    def curvature(weights: numpy.ndarray) -> numpy.ndarray:
        chances = expit(rows @ weights)
        return (rows * (counts * chances * (1 - chances))[:, None]).T @ rows + numpy.diag(ridge)

    options = {"gtol": PRECISION * len(x)}
    found = minimize(loss, start, method="trust-exact", jac=True, hess=curvature, options=options)
    if not found.success and numpy.linalg.norm(found.jac) > ROUGH * len(x):
        raise RuntimeError(f"the fit did not converge: {found.message}")
    return found.x
