"""Empirical risk minimisation under fairness constraints, for classification and regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from fairrep.errors import EstimatorError
from fairrep.estimators.ferm_base import FERMBase


def _gives_probabilities(classifier: FERMClassifier) -> bool:
    if classifier.estimator == "logistic" or hasattr(classifier.estimator, "predict_proba"):
        return True
    raise AttributeError(
        "predict_proba needs estimator='logistic' (or one with probabilities of its own); wrap an "
        "SVM into CalibratedClassifierCV."
    )


class FERMClassifier(ClassifierMixin, FERMBase):
    r"""Classifier of least risk among those whose groups' mean decision values differ by ≤ ε.

    Minimises :math:`\tfrac12\|w\|^2 + C \sum_i \ell(y_i, \langle w, \phi(x_i)\rangle + b)` subject
    to :math:`|\langle w, u\rangle| \le \epsilon` for every u, the difference of two groups' mean
    φ(x) among the training rows of the notion: the positives (``equal_opportunity``), all
    (``demographic_parity``), or those of each class (``equalized_odds``). Exact: by the projected
    kernel for ε = 0, and by one multiplier μ per u for ε > 0. Predicting needs no group.

    **What is promised**: on the training rows, the groups' mean decision values f(x) (for
    ``logistic``, mean log-odds) differ by at most ε, and no such f has less risk. That is the
    linear relaxation of the 0/1 constraint, not the constraint itself: true positive rates may
    differ at any ε, and more on new rows; measure them, and choose among models with
    :class:`NVPSearchCV`. ε has the units of f, which shrink with C: a bound on one model's scale
    says little about another's.

    Args:
        estimator: ``"svm"`` (hinge loss), ``"logistic"``, or a scikit-learn estimator that
            minimises an L2-regularised risk: a linear one (``LinearSVC()``) for explicit
            features, or ``SVC()`` for kernels. Its own settings hold (search ``estimator__C``).
        kernel: ``"linear"`` (explicit features, dense or sparse; never n × n), ``"rbf"``,
            ``"poly"``, ``"precomputed"`` (fit gets (n, n), predict gets (rows, n)), or a function
            of two rows.
        epsilon: ε, in units of the decision function; 0 for equal means, ``inf`` for the plain
            learner.
        notion: ``"equal_opportunity"``, ``"demographic_parity"`` or ``"equalized_odds"``.
        C: weight of the losses, of the named learners.
        gamma: of ``rbf`` and ``poly``: a number, ``"scale"`` or ``"auto"``, as in ``SVC``.
        degree, coef0: of ``poly``.
        max_exact_rows: above so many rows ``n_components`` Nyström features stand for the kernel.
        n_components: number of Nyström features.
        tol: relative tolerance: where a multiplier is positive, |⟨w, u⟩| ≥ (1 - tol) ε.
        max_solves: fits of the learner, at most, for ε > 0.
        random_state: of the Nyström features.

    Attributes:
        coef_, intercept_: weights of the (Nyström) features, one row a problem.
        dual_coef_: weights of the plain kernel's rows, with an exact kernel.
        mean_differences_: ⟨w, u⟩ of every problem and u (pairs of groups in sorted order, the
            first one's mean less the second's; conditions outermost).
        multipliers_: μ of every problem and u, infinite for ε = 0.
        groups_, classes_, n_features_in_, n_solves_: what was fitted.

    More than two classes are one against the rest, each problem with a constraint of its own, in
    which its class is the positive one. Above ``max_exact_rows`` the constraint is exact for the
    Nyström features.
    Ref: Donini, Oneto, Ben-David, Shawe-Taylor, Pontil (2018), NeurIPS, eqs. 9–13.

    >>> import numpy as np
    >>> from fairrep.estimators import FERMClassifier
    >>> rng = np.random.default_rng(0)
    >>> s = rng.integers(0, 2, 500)
    >>> X = rng.normal(size=(500, 3)) + s[:, None]
    >>> y = (X[:, 0] + X[:, 1] + rng.normal(size=500) > 1).astype(int)
    >>> plain = FERMClassifier(epsilon=np.inf).fit(X, y, sensitive_features=s)
    >>> fair = FERMClassifier(epsilon=0.1).fit(X, y, sensitive_features=s)
    >>> for model in (plain, fair):
    ...     f = model.decision_function(X)[y == 1]
    ...     print(f"{f[s[y == 1] == 1].mean() - f[s[y == 1] == 0].mean():.2f}")
    1.70
    0.10
    """

    _learners = ("svm", "logistic")

    def __init__(
        self,
        estimator: Any = "svm",
        *,
        kernel: Any = "linear",
        epsilon: float = 0.0,
        notion: str = "equal_opportunity",
        C: float = 1.0,
        gamma: Any = "scale",
        degree: float = 3,
        coef0: float = 0.0,
        max_exact_rows: int = 20_000,
        n_components: int = 500,
        tol: float = 1e-3,
        max_solves: int = 200,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.kernel = kernel
        self.epsilon = epsilon
        self.notion = notion
        self.C = C
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.max_exact_rows = max_exact_rows
        self.n_components = n_components
        self.tol = tol
        self.max_solves = max_solves
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, *, sensitive_features: Any = None, sample_weight: Any = None
    ) -> FERMClassifier:
        """Fit on rows with labels and groups.

        Args:
            X: (n, d) features, dense or sparse; (n, n) for ``kernel="precomputed"``.
            y: (n,) labels; of two, the larger is the positive one.
            sensitive_features: (n,) or (n, k) groups; several columns are intersections.
            sample_weight: (n,) weights of the losses, and of the groups' means.

        Raises:
            EstimatorError: a setting out of its range, one class or one group only, a group
                without positives, numbers that are not finite.
        """
        X, y, codes, weights = self._checked(X, y, sensitive_features, sample_weight)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise EstimatorError(
                f"y must hold at least two classes, got one class only: '{self.classes_[0]}'."
            )
        problems: list[tuple[np.ndarray, Any, np.ndarray]]
        if len(self.classes_) == 2:
            problems = [(2.0 * labels - 1, self.classes_, labels)]
        else:
            problems = [
                (np.where(labels == k, 1.0, -1.0), (f"not {name}", name), (labels == k).astype(int))
                for k, name in enumerate(self.classes_)
            ]
        self._fit_problems(X, problems, codes, weights, self._learner(sample_weight))
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """f(x): (n,) for two classes, else (n, classes)."""
        values = self._values(X)
        return values[:, 0] if len(self.classes_) == 2 else values

    def predict(self, X: Any) -> np.ndarray:
        """The class of every row."""
        values = self._values(X)
        best = values[:, 0] > 0 if values.shape[1] == 1 else values.argmax(1)
        return self.classes_[np.asarray(best, dtype=int)]

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of every class, (n, classes); one against the rest sums to 1 by division."""
        probabilities = expit(self._values(X))
        if probabilities.shape[1] == 1:
            return np.hstack([1 - probabilities, probabilities])
        return probabilities / probabilities.sum(1, keepdims=True)


class FERMRegressor(RegressorMixin, FERMBase):
    r"""Regressor of least risk among those whose groups' mean predictions differ by ≤ ε.

    Minimises :math:`\tfrac12\|w\|^2 + C \sum_i \ell(y_i, \langle w, \phi(x_i)\rangle + b)` with
    :math:`\ell = (y - f)^2/2` (``ridge``) or :math:`\max(0, |y - f| - \text{tube})` (``svr``),
    subject to :math:`|\langle w, u\rangle| \le \epsilon` for the differences u of the groups' mean
    φ(x); see :class:`FERMClassifier`. Equal means are not equal distributions: for those see
    Wasserstein barycenters. The mean of the *errors* may well differ where that of y does.

    Args:
        estimator: ``"ridge"``, ``"svr"``, or a scikit-learn estimator that minimises an
            L2-regularised risk: linear (``Ridge()``) for explicit features, ``SVR()`` or
            ``KernelRidge()`` for kernels. Its own settings hold.
        kernel: as in :class:`FERMClassifier`.
        epsilon: ε, in the units of y.
        notion: only ``"demographic_parity"``: a number has no positives.
        C: weight of the losses, of the named learners; ``Ridge``'s alpha is 1 / C.
        tube: half width of the ε-insensitive loss, in the units of y.
        gamma, degree, coef0, max_exact_rows, n_components, tol, max_solves, random_state: as in
            :class:`FERMClassifier`.

    Attributes:
        coef_, dual_coef_, intercept_, mean_differences_, multipliers_: as in
            :class:`FERMClassifier`, of one problem.

    Ref: Donini, Oneto, Ben-David, Shawe-Taylor, Pontil (2018), NeurIPS, section 3.

    >>> import numpy as np
    >>> from fairrep.estimators import FERMRegressor
    >>> rng = np.random.default_rng(0)
    >>> s = rng.integers(0, 2, 500)
    >>> X = rng.normal(size=(500, 3)) + s[:, None]
    >>> y = X.sum(1) + rng.normal(size=500)
    >>> model = FERMRegressor(epsilon=0.5).fit(X, y, sensitive_features=s)
    >>> f = model.predict(X)
    >>> f"{f[s == 1].mean() - f[s == 0].mean():.3f}"
    '0.500'
    """

    _learners = ("ridge", "svr")

    def __init__(
        self,
        estimator: Any = "ridge",
        *,
        kernel: Any = "linear",
        epsilon: float = 0.0,
        notion: str = "demographic_parity",
        C: float = 1.0,
        tube: float = 0.1,
        gamma: Any = "scale",
        degree: float = 3,
        coef0: float = 0.0,
        max_exact_rows: int = 20_000,
        n_components: int = 500,
        tol: float = 1e-3,
        max_solves: int = 200,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.kernel = kernel
        self.epsilon = epsilon
        self.notion = notion
        self.C = C
        self.tube = tube
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.max_exact_rows = max_exact_rows
        self.n_components = n_components
        self.tol = tol
        self.max_solves = max_solves
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, *, sensitive_features: Any = None, sample_weight: Any = None
    ) -> FERMRegressor:
        """Fit on rows with targets and groups; see :meth:`FERMClassifier.fit`."""
        X, y, codes, weights = self._checked(X, y, sensitive_features, sample_weight)
        if self.notion != "demographic_parity":
            raise EstimatorError(
                "a regressor's notion must be 'demographic_parity' (numbers have no positives), "
                f"got {self.notion!r}."
            )
        if not self.tube >= 0:
            raise EstimatorError(f"tube must not be negative, got {self.tube!r}.")
        y = y.astype(np.float64)
        problems = [(y, (), np.zeros(len(y)))]
        self._fit_problems(
            X, problems, codes, weights, self._learner(sample_weight, tube=self.tube)
        )
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The prediction of every row, in the units of y. (n,)."""
        return self._values(X)[:, 0]
