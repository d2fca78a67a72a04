r"""The laws of eigenvalues as compiled functions of arrays: Numba's kernels, one numerical idea a file.

**By agreement** nothing here checks its arguments or has annotations: Numba infers types from the call, and whoever
calls has checked (the laws of `htmp_bayes.laws` do, and are what to use). Nothing here knows SciPy's laws, PyMC or the
files of a project. How functions are compiled is said in `jit`.

**The integrals.** With s = kappa/(2 gamma), c = kappa/2, y = eigenvalue/temperature and the population H,

    M(v) = E[v h / (1 - v h)],    L(v) = E[log(1 - v h)],

the HTMP law (Hodgkinson, Wang & Mahoney, arXiv 2506.03470; Zhang, arXiv 2508.21349) is made of integrals under
exp((s+1) log v - y v - c L(v)) d log v, v in the closed lower half plane. Integrated once by parts, so that they stay
well-conditioned for s -> 0, and with < > the mean under that weight,

    mu    = <M(v) / (y v)>
    <g>   = s / (1 - c mu)
    y f   = |Im <g>| / (pi c) = (s / pi) |Im mu| / |1 - c mu|^2
    1 - F = |arg Phi| / (pi c),   Phi = (y / s) <1> (1 - c mu)

In every exponent the sum (s+1) log v - c L(v) is written as (p+1) log v - c (L(v) - log v - i pi) with p = s - c: both
are small for large v, where the other two are large and cancel. That leaves out a constant phase of -pi c: phases count
from F = 0.

**The way through the files.** A population becomes a quadrature rule (`population_rule`; its own tails are in
`population_tail`), and M, L and the exponent are sums over that (`population_sums`). Paths follow the steepest descent
of the exponent (`steepest_descent`) in panels of Gauss (`gauss_panels`). One eigenvalue has a path of its own
(`exact_point`, which chooses between `bulk_point` and `tail_point`; `moments` makes a row of the integrals); many share
one (`shared_path`, with `saddle_curve`, `path_table` and `vector_loops`); far to the left a closed form holds
(`left_tail`). `htmp_density` is the entrance to all of that. Discrete populations have `atoms_point`, complex
eigenvalues `stieltjes_transform`. At kappa = infinity the saddle point is all that is left: `silverstein`, and
`listed_population` for a list of population values. `counting_mean` and `counting_covariance` say how many eigenvalues
lie below a point, on average and jointly.
"""
