r"""The open population: a layer's population values themselves are inferred, as one smooth curve.

The population is the list of N variances h_1 ... h_N that a matrix with fixed population has (one a direction), and the
curve is their quantile function. With u = (i - 1/2)/N, s = log(u/(1 - u)) and x = Phi^-1(u),

.. math:: \log h(u) = m + \int_0^{s(u)} e^{b(s')} ds', \qquad b = L + d(x),

m the log of the median and e^b the local spread. Where b is constant the population is log-logistic, with tails that
are powers of h; a log-normal or inverse-gamma law is a b that hardly changes, a point mass one that is very low, two
bulks or spikes a b that is high in one place. So a narrow bulk and a broad flank have one prior, and the tails'
exponents e^-b at both ends are free: a density on a grid, smooth by a penalty on its curvature, has to be told where
to be fine, and is pulled away from a point mass.

The law is that of kappa = infinity for the list (:mod:`htmp_bayes.laws.compiled.listed_population`), to first order in
1/kappa, and the likelihood that of the counts and gaps (:mod:`htmp_bayes.models.layer.likelihood`).
"""
