"""The posterior of the arms' means, in closed form; all functions take any leading axes and the arms on the last.

The model: arm k has mean m + δ_k, a reward is that mean plus N(0, σ²). The level m has a flat prior, so adding a
constant to every reward changes nothing; δ_k ~ N(0, τ²σ²); σ² is scaled inverse χ² with ν₀ degrees of freedom and
scale s₀². This is normal-inverse-gamma: given the rewards, the means are jointly Student t.

With n_k, S_k the weights and weighted sums of arm k, A_k = 1/(n_k + 1/τ²) and G = Σ_k (τ² − A_k), the posterior
precision is diag(1/A) − 11ᵀ/(Kτ²), and by Sherman and Morrison

    mean  μ_k = A_k·S_k + A_k·(Σ_j A_j S_j)/G
    cov   σ²·(diag(A) + AAᵀ/G)
    ν = ν₀ + Σn − 1,   ν·s² = ν₀·s₀² + Σwy² − Σ_k S_k μ_k

Source: Gelman et al., Bayesian Data Analysis (3rd ed.), 14.8 and 15; the power prior of Ibrahim & Chen (2000) for
weights below 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prior:
    """``tau`` is the scatter of arms in units of the noise; ``df`` (> 2) and ``noise`` are ν₀ and s₀."""

    tau: float
    df: float
    noise: float


@dataclass(frozen=True, slots=True)
class Belief:
    """Student t with ``df`` degrees of freedom: location ``mu``, scale matrix s²·(diag(own) + own·ownᵀ/common).

    ``mu`` and ``own`` are [..., K]; ``common``, ``df`` and ``scale`` (s) are [...].
    """

    mu: Floats
    own: Floats
    common: Floats
    df: Floats
    scale: Floats

    def part(self, place: int) -> Belief:
        """The one at ``place`` of the last of the leading axes."""
        return Belief(
            self.mu[..., place, :],
            self.own[..., place, :],
            self.common[..., place],
            self.df[..., place],
            self.scale[..., place],
        )

    def spread(self) -> Floats:
        """Scale of each arm's marginal t, [..., K]."""
        spread: Floats = self.scale[..., None] * np.sqrt(self.own + self.own**2 / self.common[..., None])
        return spread

    def means(self, normals: Floats, chi2: Floats) -> Floats:
        """Draws of the arms' means, [..., M, K], from ``normals`` [..., M, K + 1] and χ²(df) draws [..., M]."""
        shared = normals[..., -1:] / np.sqrt(self.common)[..., None, None]
        steps = np.sqrt(self.own)[..., None, :] * normals[..., :-1] + self.own[..., None, :] * shared
        sigma = self.scale[..., None] * np.sqrt(self.df[..., None] / chi2)
        return self.mu[..., None, :] + sigma[..., None] * steps


def believe(n: Floats, sums: Floats, squares: Floats, prior: Prior) -> Belief:
    """The posterior from weights ``n`` and weighted sums [..., K], and the weighted sum of squares [...].

    Needs some weight in each row: Σn > 0. Rewards are best given as differences from one of them.
    """
    tau2 = prior.tau**2
    own = 1.0 / (n + 1.0 / tau2)
    common = np.sum(tau2 * n * own, axis=-1)  # Σ(τ² − A) without the cancellation
    mu = own * (sums + (np.sum(own * sums, axis=-1) / common)[..., None])
    df = prior.df + np.maximum(np.sum(n, axis=-1) - 1.0, 0.0)
    residual = np.maximum(squares - np.sum(sums * mu, axis=-1), 0.0)
    scale = np.sqrt((prior.df * prior.noise**2 + residual) / df)
    return Belief(mu, own, common, df, scale)


def wins(means: Floats) -> NDArray[np.int64]:
    """How many of the draws [..., M, K] each arm wins, [..., K]."""
    best = np.argmax(means, axis=-1)
    return np.stack([np.count_nonzero(best == arm, axis=-1) for arm in range(means.shape[-1])], axis=-1)


def raised(shares: Floats, floor: float) -> Floats:
    """``shares`` [..., K] with none below ``floor``: what is added to the small is taken from the others in proportion.

    ``floor`` ≤ 1/K. Each row sums to 1.
    """
    low = np.zeros(shares.shape, np.bool_)
    out = shares
    for _ in range(shares.shape[-1]):
        low = low | (out <= floor)
        free = 1.0 - floor * np.count_nonzero(low, axis=-1)
        rest = np.sum(np.where(low, 0.0, shares), axis=-1)
        factor = np.divide(free, rest, out=np.ones_like(rest), where=rest > 0.0)
        out = np.where(low, floor, shares * factor[..., None])
    even: Floats = out / np.sum(out, axis=-1, keepdims=True)
    return even
