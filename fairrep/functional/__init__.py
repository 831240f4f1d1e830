"""Pure torch: tensors in, tensors out; no state, no input or output."""

from fairrep.functional.barycenter import barycenter_map, barycenter_quantiles
from fairrep.functional.binomial_difference import binomial_difference_upper_bound
from fairrep.functional.bounds import (
    delta_per_statement,
    dkw_ks_upper_bound,
    ks_upper_bound,
    linear_gap_upper_bound,
    rkhs_gap_upper_bound,
    total_variation_upper_bound,
)
from fairrep.functional.cell_recall import cell_recall
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
    "barycenter_map",
    "barycenter_quantiles",
    "binomial_difference_upper_bound",
    "cell_recall",
    "cell_total_variation",
    "cell_usage",
    "delta_per_statement",
    "distance_covariance2",
    "dkw_ks_upper_bound",
    "energy_distance",
    "geomloss_sinkhorn_divergence",
    "hsic",
    "ks_upper_bound",
    "linear_gap_upper_bound",
    "mean_difference2",
    "mixture",
    "mmd2",
    "mmd2_rff",
    "rkhs_gap_upper_bound",
    "sinkhorn_divergence",
    "sliced_wasserstein2",
    "total_variation",
    "total_variation_upper_bound",
]
