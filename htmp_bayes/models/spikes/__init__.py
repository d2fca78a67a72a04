r"""Eigenvalues far above the bulk: how many of the largest ones are spikes, and the bulk's law without them.

Under the model :math:`M_k` the k largest of the N eigenvalues are spikes and the other N - k are all that the law has
brought forth. The distance of a spike :math:`\lambda` from the bulk's largest eigenvalue m,
:math:`x = \log(\lambda/m)`, has the density :math:`g(x) = \tfrac{27}{16} x^2 e^{-3x/2}`, a Gamma law of shape 3 and
mean 2: a spike is far above the bulk, so the density vanishes at the bulk's top (a non-local prior: Johnson & Rossell
2010, J. R. Stat. Soc. B 72, 143), and it holds no parameter of the law.

What is compared over k is the evidence of one and the same set of data, the average counts over intervals that are
common to all k. A spike adds one to the counts above it. With its position integrated out, by Laplace's method,

.. math:: p(\text{counts} \mid M_k) \approx p(\text{counts less those of the spikes} \mid \text{bulk of } N - k)
    \; k! \prod_i g(x_i)\, \sqrt{2\pi}\, \sigma_j \Delta_j,

for a spike in interval j of length :math:`\Delta_j`, whose count is known to :math:`\sigma_j` given all others: that is
how well the counts tell where the spike is. So a law with a heavy tail pays for what it does not explain by its own
residuals, and one with spikes by their density and the prior of their number.
"""
