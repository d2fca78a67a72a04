"""The result of a fit, an `xarray.DataTree`: how it is put together, and what is derived from it.

`fit_result` and `free_result` put it together and name its groups, `derived` has what follows from the parameters,
`predictive` the predictive spectra, and `misfit` says whether the law of a result fits its spectrum.
"""
