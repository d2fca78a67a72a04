"""One layer: what is kept of its spectrum (`data`), the prior, the likelihood of counts, the posterior and its draws.

The prior is written down in `prior`, the likelihood in `likelihood`, and `posterior` puts the two together as a plain
function, which `stand_in` follows by polynomials and `sampling` draws from. `model` is the same in PyMC. Under the
exact joint density, without correlation, it is `joint_density`; whether the law fits is found by `law_test`.
"""
