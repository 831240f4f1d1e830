"""Pure torch: tensors in, tensors out; no state, no input or output."""

from fairrep.functional.cell_usage import cell_usage
from fairrep.functional.dependence import distance_covariance2, hsic
from fairrep.functional.geomloss_backend import geomloss_sinkhorn_divergence
from fairrep.functional.mixture import mixture
from fairrep.functional.mmd import energy_distance, mean_difference2, mmd2
from fairrep.functional.random_features import mmd2_rff
from fairrep.functional.sinkhorn import sinkhorn_divergence
from fairrep.functional.sliced import sliced_wasserstein2
from fairrep.functional.total_variation import cell_total_variation, total_variation

__all__ = [
    "cell_total_variation",
    "cell_usage",
    "distance_covariance2",
    "energy_distance",
    "geomloss_sinkhorn_divergence",
    "hsic",
    "mean_difference2",
    "mixture",
    "mmd2",
    "mmd2_rff",
    "sinkhorn_divergence",
    "sliced_wasserstein2",
    "total_variation",
]
