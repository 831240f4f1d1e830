"""GeomLoss as a second opinion on the Sinkhorn divergence."""

from jaxtyping import Float
from torch import Tensor

from fairrep.functional.inputs import require_choice, require_positive, two_samples


def geomloss_sinkhorn_divergence(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    *,
    blur: float,
    p: int = 2,
    scaling: float = 0.5,
    a: Float[Tensor, " n"] | None = None,
    b: Float[Tensor, " m"] | None = None,
) -> Float[Tensor, ""]:
    r"""``sinkhorn_divergence`` as GeomLoss computes it: same formula, same units.

    Args:
        x: First sample, a single problem.
        y: Second sample, as many columns.
        blur: Length in units of x below which differences are blurred.
        p: Exponent of the cost, 1 or 2.
        scaling: Ratio of successive blurs between 0 and 1; closer to 1 is slower and more exact.
        a: Weights of the rows of x, see ``fairrep.functional.inputs``; uniform by default.
        b: Weights of the rows of y.

    Raises:
        ValueError: Batch dimensions, a setting out of its range, shapes that do not fit.

    The surprise: there is no convergence to wait for. The number of sweeps follows from `scaling`
    alone, and the potentials may be far from converged where blur is below the spacing of the
    points.

    Ref: Feydy et al. (2019), AISTATS.
    """
    from geomloss import SamplesLoss  # an optional backend: not loaded with the package

    require_positive(blur, name="blur")
    require_choice(p, (1, 2), name="p")
    if not 0 < scaling < 1:
        raise ValueError(f"scaling must lie between 0 and 1, got {scaling}. Try 0.5 or 0.9.")
    if x.dim() != 2 or y.dim() != 2:
        raise ValueError(
            f"x and y must be single problems (n, d) and (m, d), got {tuple(x.shape)} and "
            f"{tuple(y.shape)}. Loop over the batch, or use sinkhorn_divergence."
        )
    s = two_samples(x, y, a, b)
    loss = SamplesLoss("sinkhorn", p=p, blur=blur, scaling=scaling, backend="tensorized")
    return loss(s.a, s.x, s.b, s.y)
