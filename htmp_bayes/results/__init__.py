"""The result of a fit, an `xarray.DataTree`: how it is put together, and what is derived from it.

Its groups, which `fit_result` and `free_result` put together:

- ``posterior``: draws of the parameters, and what follows from them (`derived`);
- ``population``: the curve of an open population at each draw;
- ``sample_stats``: what the sampler says of each draw, under ArviZ's names;
- ``log_likelihood`` (``spectrum``, of all counts together), ``prior`` and ``log_prior``;
- ``posterior_predictive``: spectra of random matrices at some draws (`predictive`);
- ``observed_data``: the eigenvalues;
- ``constant_data``: the sizes of the matrix, the counts that the likelihood saw, and whether the law fits them.

`misfit` reads from the last whether the law of a result fits its spectrum.
"""
